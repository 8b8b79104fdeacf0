import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { MailError } from '../error.ts'
import { type MailboxId, type Provider, providerOf } from '../mailbox.ts'
import type { AccessToken } from '../provider/tokens.ts'
import { traitsOf } from '../provider/traits.ts'
import type { Seal } from '../seal.ts'
import type { Keys } from './keys.ts'
import { secretScript } from './scripts.ts'

/** An owner's grant: the secret for obtaining access tokens, and the last token obtained. */
export interface Grant {
  /** Changes whenever the secret changes. */
  id: string
  /** The refresh token at Gmail; at Outlook msal's serialised cache, which alone holds the refresh token. */
  secret: string
  access: AccessToken | undefined
  /** The issuer, the only party it may be sent to; `undefined` for grants stored before issuers were recorded. */
  issuer: string | undefined
  /** Why the provider no longer accepts the secret, where it said so. */
  refused: string | undefined
}

/** The issuer of tokens: the address of a provider or a simulator. */
export interface Issuer {
  name: string
  isSimulator: boolean
}

/** The sealed secrets of mailboxes. A change for one grant is not written if the grant was replaced or removed meanwhile. */
export interface Vault {
  /**
   * Returns the mailbox's grant, or `undefined` where no account is stored. Throws `misconfigured`, naming the mailbox, where the grant
   * cannot be opened or comes from another issuer than the vault's.
   */
  read(mailbox: MailboxId): Promise<Grant | undefined>
  /** Returns which of these mailboxes have an account here; needs no key. */
  has(mailboxes: readonly MailboxId[]): Promise<ReadonlySet<MailboxId>>
  /** Stores a new grant in place of any other. Throws `misconfigured` where there is no key to seal it with. */
  put(mailbox: MailboxId, grant: { secret: string; access?: AccessToken }): Promise<void>
  /** Stores the result of a refresh: an access token and, if there is one, the secret that replaces the old one. */
  refreshed(
    mailbox: MailboxId,
    id: string,
    answer: { access: AccessToken; secret?: string | undefined },
  ): Promise<boolean>
  /** Records that the provider no longer accepts the secret, so that it is not tried again. */
  refuse(mailbox: MailboxId, id: string, reason: string): Promise<boolean>
  /** Deletes an access token that the provider no longer accepts; another token stays. */
  forget(mailbox: MailboxId, token: string): Promise<void>
  /** Reseals values under the current key; returns how many. Safe to run twice at once and at any time. */
  reseal(mailbox: MailboxId): Promise<number>
}

interface Place {
  mailbox: MailboxId
  /** The field in which it is kept, and for which it is sealed. */
  name: string
  issuer: string | undefined
}

const accessSchema = z.object({ token: z.string(), givenAt: z.number(), endsAt: z.number() })

/**
 * Creates the vault: one hash a mailbox. Secret and access token are sealed, each for its mailbox, field and issuer; grant id, issuer and
 * refusal are plain. Grants stored before issuers were recorded count as the provider's own and are bound to it when read. Without
 * `issuerOf` the vault opens grants of any issuer, for work that sends them nowhere.
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
      const stored = await redis.hgetall(keys.secret(mailbox))
      const { grant, [name]: secret, access, refused, issuer } = stored
      if (grant === undefined || secret === undefined) return undefined
      const asked = issuerOf?.(providerOf(mailbox))
      if (asked && asked.name !== issuer && (issuer !== undefined || asked.isSimulator))
        throw foreign(mailbox, issuer, asked)
      const opened = open({ mailbox, name, issuer }, secret)
      const token = access ? await openAccess({ mailbox, name: 'access', issuer }, access) : undefined
      if (asked && issuer === undefined)
        await bind(mailbox, { name: asked.name, stored: secret, secret: opened, access: token })
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
      // The stored issuer may belong to another grant; then the id differs too.
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
        // Values written by others meanwhile are sealed with the current key already.
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
    { name, stored, secret, access }: { name: string; stored: string; secret: string; access: AccessToken | undefined },
  ): Promise<void> {
    const fields = { issuer: name, access: '', ...sealed(mailbox, name, { secret, access }) }
    await change(mailbox, [secretOf(mailbox), stored], fields)
  }

  // An access token only saves a call. An unreadable one is replaced with the secret, which was opened before.
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
    [field, stored]: [string, string],
    fields: Record<string, string>,
  ): Promise<boolean> {
    return (await secretScript(redis, [keys.secret(mailbox)], [field, stored, ...Object.entries(fields).flat()])) === 1
  }
}

function secretOf(mailbox: MailboxId) {
  return traitsOf(providerOf(mailbox)).grantField
}

function foreign(mailbox: MailboxId, issuer: string | undefined, asked: Issuer): MailError {
  const from = issuer === undefined ? `before ${asked.name} was set` : `at ${issuer}`
  const remedy = asked.isSimulator ? 'unset SIM_URL to read real mail' : 'set SIM_URL to that simulator'
  return new MailError(
    'misconfigured',
    `the account of ${mailbox} was connected ${from} and is never sent to another server, here ${asked.name}: ${remedy}, or connect the mailbox again`,
  )
}
