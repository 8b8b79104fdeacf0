import type { Mailbox, MailboxId, Provider } from '../../../shared/mailbox.ts'
import type { AccessToken, AccessTokens, Consent } from '../../../shared/provider/tokens.ts'
import type { Issuer } from '../../../shared/redis/secrets.ts'
import type { Store } from '../store.ts'

/** An owner's grant: the secret to keep, in the provider's shape, and the first access token. */
export interface Consented {
  secret: string
  access: AccessToken
}

/** How one provider asks the owner of a mailbox for consent. */
export interface Consenting {
  provider: Provider
  /** The issuer of the grant, and the only one it may be shown to. */
  issuer: Issuer
  /** The name of this machine to which the provider lets the browser return. */
  host: '127.0.0.1' | 'localhost'
  /** Returns the page to open, which suggests the address, where there is one. */
  ask(options: { redirectUri: string; state: string; address: string | undefined }): Promise<Consent>
  /** Returns what the person can do about an error of the provider; `undefined` where only a second try helps. */
  remedyOf(error: string, description: string): string | undefined
  /** Returns whether two different addresses name the same mailbox; without it only equal ones do. */
  isSame?(one: string, other: string): boolean
  /** Exchanges the code from the browser for a grant. Throws `unauthorized`, with what to do, where too little was granted. */
  exchange(answer: { code: string; verifier: string; redirectUri: string }, signal: AbortSignal): Promise<Consented>
  /** Opens the mailbox with access tokens from this source; its state is kept in the store. */
  open(mailbox: MailboxId, account: AccessTokens, store: Store): Mailbox
}
