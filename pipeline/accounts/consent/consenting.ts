import type { Mailbox, MailboxId, Provider } from '../../../shared/mailbox.ts'
import type { AccessToken, AccessTokens, Consent } from '../../../shared/provider/tokens.ts'
import type { Issuer } from '../../../shared/redis/secrets.ts'
import type { Store } from '../account-of.ts'

/** What an owner's consent gave: what is to be kept, in the provider's shape, and the first access token. */
export interface Consented {
  secret: string
  access: AccessToken
}

/** How one provider asks the owner of a mailbox for consent. */
export interface Consenting {
  provider: Provider
  /** Who gives the grant, and alone may be shown it. */
  issuer: Issuer
  /** The name of this machine by which the provider lets the browser come back. */
  host: '127.0.0.1' | 'localhost'
  /** The page to open; the address, where one is wanted, is suggested there. */
  ask(options: { redirectUri: string; state: string; address: string | undefined }): Promise<Consent>
  /** What the person can do where the provider sent the browser back with an error; `undefined` where only asking again helps. */
  remedyOf(error: string, description: string): string | undefined
  /** Whether two addresses are the same mailbox, however they are written; equal ones are in any case. */
  isSame?(one: string, other: string): boolean
  /** Exchanges the code that consent gave. Throws `unauthorized`, saying what to do, where too little was granted. */
  exchange(answer: { code: string; verifier: string; redirectUri: string }, signal: AbortSignal): Promise<Consented>
  /** The mailbox, with access tokens of this source; what it keeps is kept in the store. */
  open(mailbox: MailboxId, account: AccessTokens, store: Store): Mailbox
}
