import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { MailError } from '../error.ts'
import { type MailboxId, type Provider, providerOf } from '../mailbox.ts'
import type { AccessToken } from '../provider/tokens.ts'
import type { Seal } from '../seal.ts'
import type { Keys } from './keys.ts'
import { secretScript } from './scripts.ts'

/** What an owner granted: the secret that access tokens are got with, and the one that was got last. */
export interface Grant {
  /** Another one whenever the secret is another one. */
  id: string
  /** The refresh token at Gmail; at Outlook the cache of msal, which alone knows the refresh token, as it serialises it. */
  secret: string
  access: AccessToken | undefined
  /** Who gave it, and alone may be shown it; `undefined` where it was kept before this was noted. */
  issuer: string | undefined
  /** Why the provider does not take the secret any more, where it said so. */
  refused: string | undefined
}

/** Who is asked for tokens: the address of a provider's or a simulator's. */
export interface Issuer {
  name: string
  isSimulator: boolean
}

/** The sealed secrets of mailboxes. What was changed for a grant is not written when another grant is there meanwhile, or none. */
export interface Vault {
  /**
   * `undefined` where no account is kept for the mailbox. Throws `misconfigured`, naming the mailbox, where it cannot be opened, or where
   * another issuer gave it than the vault's.
   */
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
interface Place {
  mailbox: MailboxId
  name: (typeof SECRET)[Provider] | 'access'
  issuer: string | undefined
}

const accessSchema = z.object({ token: z.string(), givenAt: z.number(), endsAt: z.number() })

/**
 * The vault in a hash a mailbox: secret and access token sealed, each for its mailbox, field and issuer, and in plain an id of the grant, its
 * issuer, and why it was refused. What was kept before issuers were noted is taken for the provider's own, and bound to it when it is read.
 * Without `issuerOf` it opens what anybody gave: for work that shows it to nobody.
 */
export function createVault(
  redis: Redis,
  keys: Keys,
  seal: Seal,
  onInvalid: (count: number) => void = () => undefined,
  issuerOf?: (provider: Provider) => Issuer,
): Vault {
  const vault: Vault = {
    async read(mailbox) {
      const name = secretOf(mailbox)
      const held = await redis.hgetall(keys.secret(mailbox))
      const { grant, [name]: secret, access, refused, issuer } = held
      if (grant === undefined || secret === undefined) return undefined
      const asked = issuerOf?.(providerOf(mailbox))
      if (asked && asked.name !== issuer && (issuer !== undefined || asked.isSimulator))
        throw foreign(mailbox, issuer, asked)
      const opened = open({ mailbox, name, issuer }, secret)
      const token = access ? await openAccess({ mailbox, name: 'access', issuer }, access) : undefined
      if (asked && issuer === undefined)
        await bind(mailbox, { name: asked.name, held: secret, secret: opened, access: token })
      return { id: grant, secret: opened, access: token, refused, issuer: issuer ?? asked?.name }
    },

    async has(mailboxes) {
      const kept = await Promise.all(mailboxes.map(mailbox => redis.hexists(keys.secret(mailbox), secretOf(mailbox))))
      return new Set(mailboxes.filter((_, place) => kept[place] === 1))
    },

    async put(mailbox, { secret, access }) {
      const issuer = issuerOf?.(providerOf(mailbox)).name
      const named = issuer === undefined ? {} : { issuer }
      const fields = { grant: randomUUID(), ...named, ...sealed(mailbox, issuer, { secret, access }) }
      await redis.multi().del(keys.secret(mailbox)).hset(keys.secret(mailbox), fields).exec()
    },

    async refreshed(mailbox, id, { access, secret }) {
      const replaced = secret === undefined ? {} : { grant: randomUUID() }
      // Of another grant it may be another's: then the id is another, too.
      const issuer = (await redis.hget(keys.secret(mailbox), 'issuer')) ?? undefined
      return change(mailbox, ['grant', id], { ...replaced, ...sealed(mailbox, issuer, { secret, access }) })
    },

    refuse: (mailbox, id, reason) => change(mailbox, ['grant', id], { refused: reason, access: '' }),

    async forget(mailbox, token) {
      const [access, issuer] = await redis.hmget(keys.secret(mailbox), 'access', 'issuer')
      if (!access) return
      const place = { mailbox, name: 'access' as const, issuer: issuer ?? undefined }
      if ((await openAccess(place, access))?.token !== token) return
      await change(mailbox, ['access', access], { access: '' })
    },

    async reseal(mailbox) {
      let count = 0
      for (const field of [secretOf(mailbox), 'access'] as const) {
        const [before, issuer] = await redis.hmget(keys.secret(mailbox), field, 'issuer')
        if (!before || seal.isCurrent(before)) continue
        const place = { mailbox, name: field, issuer: issuer ?? undefined }
        const text = field === 'access' ? readable(place, before)?.text : open(place, before)
        if (text === undefined) {
          await dropAccess(mailbox, before)
          continue
        }
        // What somebody else has written meanwhile is sealed with the current key already.
        if (await change(mailbox, [field, before], { [field]: seal.seal(text, place) })) count += 1
      }
      return count
    },
  }
  return vault

  function open(place: Place, text: string): string {
    return seal.open(text, place)
  }

  async function bind(
    mailbox: MailboxId,
    { name, held, secret, access }: { name: string; held: string; secret: string; access: AccessToken | undefined },
  ): Promise<void> {
    const fields = { issuer: name, access: '', ...sealed(mailbox, name, { secret, access }) }
    await change(mailbox, [secretOf(mailbox), held], fields)
  }

  // An access token is there to save a call. One that cannot be read is got anew with the secret, which was opened before.
  async function openAccess(place: Place, text: string): Promise<AccessToken | undefined> {
    const found = readable(place, text)
    if (!found) await dropAccess(place.mailbox, text)
    return found?.access
  }

  function readable(place: Place, text: string): { text: string; access: AccessToken } | undefined {
    try {
      const opened = open(place, text)
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
    issuer: string | undefined,
    { secret, access }: { secret?: string | undefined; access?: AccessToken | undefined },
  ): Record<string, string> {
    const name = secretOf(mailbox)
    const lasting = secret === undefined ? {} : { [name]: seal.seal(secret, { mailbox, name, issuer }) }
    if (!access) return lasting
    return { ...lasting, access: seal.seal(JSON.stringify(access), { mailbox, name: 'access', issuer }) }
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

function foreign(mailbox: MailboxId, issuer: string | undefined, asked: Issuer): MailError {
  const from = issuer === undefined ? `before ${asked.name} was set` : `at ${issuer}`
  const remedy = asked.isSimulator ? 'unset SIM_URL to read real mail' : 'set SIM_URL to that simulator'
  return new MailError(
    'misconfigured',
    `the account of ${mailbox} was connected ${from}, and is shown to nobody else, so not to ${asked.name}: ${remedy}, or connect the mailbox again`,
  )
}
