import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { type MailboxId, type Provider, providerOf } from '../mailbox.ts'
import type { Seal } from '../seal.ts'
import type { AccessToken } from '../tokens.ts'
import type { Keys } from './keys.ts'
import { secretScript } from './scripts.ts'

/** What an owner granted: the secret that access tokens are got with, and the one that was got last. */
export interface Grant {
  /** Another one whenever the secret is another one. */
  id: string
  /** The refresh token at Gmail; at Outlook the cache of msal, which alone knows the refresh token, as it serialises it. */
  secret: string
  access: AccessToken | undefined
  /** Why the provider does not take the secret any more, where it said so. */
  refused: string | undefined
}

/** The sealed secrets of mailboxes. What was changed for a grant is not written when another grant is there meanwhile, or none. */
export interface Vault {
  /** `undefined` where no account is kept for the mailbox. Throws `misconfigured`, naming the mailbox, where it cannot be opened. */
  read(mailbox: MailboxId): Promise<Grant | undefined>
  /** Which of these mailboxes have an account here; needs no key. */
  has(mailboxes: readonly MailboxId[]): Promise<ReadonlySet<MailboxId>>
  /** Keeps a new grant in place of any other. Throws `misconfigured` where there is no key to seal it with. */
  put(mailbox: MailboxId, grant: { secret: string; access?: AccessToken }): Promise<void>
  /** Keeps what a refresh gave: an access token, and the secret that is to be used instead of the old one, if there is one. */
  refreshed(
    mailbox: MailboxId,
    id: string,
    answer: { access: AccessToken; secret?: string | undefined },
  ): Promise<boolean>
  /** Notes that the provider does not take the secret any more, so that nobody asks again. */
  refuse(mailbox: MailboxId, id: string, reason: string): Promise<boolean>
  /** Forgets an access token that the provider does not take any more; another one stays. */
  forget(mailbox: MailboxId, token: string): Promise<void>
  /** Seals with the current key what an older one sealed; how many values. Safe to do twice at once and at any time. */
  reseal(mailbox: MailboxId): Promise<number>
}

// Under which name the secret is kept, and sealed.
const SECRET: Readonly<Record<Provider, 'refresh' | 'msal'>> = { gmail: 'refresh', outlook: 'msal' }
type Sealed = (typeof SECRET)[Provider] | 'access'

const accessSchema = z.object({ token: z.string(), givenAt: z.number(), endsAt: z.number() })

/** The vault in a hash a mailbox: secret and access token sealed, each for its mailbox and field, and in plain an id of the grant and why it was refused. */
export function createVault(
  redis: Redis,
  keys: Keys,
  seal: Seal,
  onInvalid: (count: number) => void = () => undefined,
): Vault {
  const vault: Vault = {
    async read(mailbox) {
      const name = secretOf(mailbox)
      const { grant, [name]: secret, access, refused } = await redis.hgetall(keys.secret(mailbox))
      if (grant === undefined || secret === undefined) return undefined
      const opened = open(mailbox, name, secret)
      return { id: grant, secret: opened, access: access ? await openAccess(mailbox, access) : undefined, refused }
    },

    async has(mailboxes) {
      const kept = await Promise.all(mailboxes.map(mailbox => redis.hexists(keys.secret(mailbox), secretOf(mailbox))))
      return new Set(mailboxes.filter((_, place) => kept[place] === 1))
    },

    async put(mailbox, { secret, access }) {
      const fields = { grant: randomUUID(), ...sealed(mailbox, { secret, access }) }
      await redis.multi().del(keys.secret(mailbox)).hset(keys.secret(mailbox), fields).exec()
    },

    refreshed(mailbox, id, { access, secret }) {
      const replaced = secret === undefined ? {} : { grant: randomUUID() }
      return change(mailbox, ['grant', id], { ...replaced, ...sealed(mailbox, { secret, access }) })
    },

    refuse: (mailbox, id, reason) => change(mailbox, ['grant', id], { refused: reason, access: '' }),

    async forget(mailbox, token) {
      const access = await redis.hget(keys.secret(mailbox), 'access')
      if (!access || (await openAccess(mailbox, access))?.token !== token) return
      await change(mailbox, ['access', access], { access: '' })
    },

    async reseal(mailbox) {
      let count = 0
      for (const field of [secretOf(mailbox), 'access'] as const) {
        const before = await redis.hget(keys.secret(mailbox), field)
        if (before === null || seal.isCurrent(before)) continue
        const text = field === 'access' ? readable(mailbox, before)?.text : open(mailbox, field, before)
        if (text === undefined) {
          await dropAccess(mailbox, before)
          continue
        }
        // What somebody else has written meanwhile is sealed with the current key already.
        if (await change(mailbox, [field, before], { [field]: seal.seal(text, { mailbox, name: field }) })) count += 1
      }
      return count
    },
  }
  return vault

  function open(mailbox: MailboxId, name: Sealed, text: string): string {
    return seal.open(text, { mailbox, name })
  }

  // An access token is there to save a call. One that cannot be read is got anew with the secret, which was opened before.
  async function openAccess(mailbox: MailboxId, text: string): Promise<AccessToken | undefined> {
    const found = readable(mailbox, text)
    if (!found) await dropAccess(mailbox, text)
    return found?.access
  }

  function readable(mailbox: MailboxId, text: string): { text: string; access: AccessToken } | undefined {
    try {
      const opened = open(mailbox, 'access', text)
      return { text: opened, access: accessSchema.parse(JSON.parse(opened)) }
    } catch {
      return undefined
    }
  }

  async function dropAccess(mailbox: MailboxId, text: string): Promise<void> {
    onInvalid(1)
    await change(mailbox, ['access', text], { access: '' })
  }

  function sealed(
    mailbox: MailboxId,
    { secret, access }: { secret?: string | undefined; access?: AccessToken | undefined },
  ): Record<string, string> {
    const name = secretOf(mailbox)
    const lasting = secret === undefined ? {} : { [name]: seal.seal(secret, { mailbox, name }) }
    if (!access) return lasting
    return { ...lasting, access: seal.seal(JSON.stringify(access), { mailbox, name: 'access' }) }
  }

  async function change(
    mailbox: MailboxId,
    [field, held]: [string, string],
    fields: Record<string, string>,
  ): Promise<boolean> {
    return (await secretScript(redis, [keys.secret(mailbox)], [field, held, ...Object.entries(fields).flat()])) === 1
  }
}

function secretOf(mailbox: MailboxId) {
  return SECRET[providerOf(mailbox)]
}
