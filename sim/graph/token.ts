import { createCounts, open, seal } from '../seal.ts'
import { unauthenticated } from './error.ts'

/** What was granted to a program: one mailbox by its owner, or all of them by an administrator; and the permissions, by their short names. */
export interface Grant {
  /** Lower case; `undefined` for application permissions. */
  address: string | undefined
  scopes: readonly string[]
}

/** Why a refresh token is refused. */
export type RefreshProblem = 'malformed' | 'spent' | 'expired' | 'revoked'

/** A grant to a person's mailbox. */
export interface PersonalGrant extends Grant {
  address: string
}

/** What `simulated:` refresh tokens stand for. */
const FULL_SCOPES = ['Mail.ReadWrite', 'User.Read']

const VALID_SECONDS = 3600
const STATIC_PREFIX = 'simulated:'
const REFRESH_PREFIX = '1.simulated-'
const ACCESS_PREFIX = 'EwB.simulated-'

/** The tokens of a simulator. A token itself says whose it is and until when: it outlives a restart of the simulator. */
export interface Tokens {
  /** The lifetime of access tokens given out from now on, in seconds; 3600 at first. */
  setLifetime(seconds: number): void
  lifetime(): number
  /** Whether a refresh token that was exchanged for a newer one is still taken, as Microsoft does: it is, until this says otherwise. */
  setSingleUse(singleUse: boolean): void
  singleUse(): boolean
  access(grant: Grant): string
  /** A refresh token, another each time. */
  refresh(grant: PersonalGrant): string
  /** The grant behind a refresh token, or why there is none. `simulated:<address>` is one of any mailbox. */
  readRefresh(token: string): PersonalGrant | RefreshProblem
  /** Notes that a refresh token was exchanged for a newer one. */
  spend(token: string): void
  /** The grant behind an Authorization header; throws a 401 where it is missing, made up, expired or revoked. */
  readAuthorization(header: string | undefined): Grant
  /** Makes access tokens given out so far invalid, of one mailbox or of all, applications' included; refresh tokens still work. */
  expire(address?: string): void
  /** Lets the refresh tokens of a mailbox given out so far lapse, as after 90 days without use: `invalid_grant`. */
  lapse(address: string): void
  /** Takes back all that was granted for a mailbox, as a changed password does: `invalid_grant` until it is granted anew. */
  revoke(address: string): void
  /** Lets `simulated:<address>` work again. */
  restore(address: string): void
  /** Tells of what `expire` (without an address: of all) and `revoke` were asked for. */
  listen(listener: (event: 'expired' | 'revoked', address: string | undefined) => void): void
}

interface Sealed {
  address?: string
  scopes: string[]
  /** How often tokens of its kind had been made invalid when it was given out. */
  generation: number
  expiresAtMs?: number
  serial?: number
}

const EVERYBODY = ''

/** No token revoked yet; `known` says whether there is such a mailbox. */
export function createTokens({ known, now }: { known: (address: string) => boolean; now: () => number }): Tokens {
  const accessGenerations = createCounts()
  const revocations = createCounts()
  const lapses = new Map<string, number>()
  const staticRevoked = new Map<string, RefreshProblem>()
  const listeners: ((event: 'expired' | 'revoked', address: string | undefined) => void)[] = []
  const spent = new Set<string>()
  let lifetimeSeconds = VALID_SECONDS
  let single = false
  let serial = now()

  return {
    setLifetime(seconds) {
      lifetimeSeconds = seconds
    },
    lifetime: () => lifetimeSeconds,
    setSingleUse(singleUse) {
      single = singleUse
    },
    singleUse: () => single,
    access: ({ address, scopes }) =>
      seal(ACCESS_PREFIX, {
        ...(address === undefined ? {} : { address }),
        scopes: [...scopes],
        generation: accessGenerations.of(address ?? EVERYBODY),
        expiresAtMs: now() + lifetimeSeconds * 1000,
      } satisfies Sealed),
    refresh({ address, scopes }) {
      serial += 1
      return seal(REFRESH_PREFIX, {
        address,
        scopes: [...scopes],
        generation: revocations.of(address),
        serial,
      } satisfies Sealed)
    },
    readRefresh(token) {
      if (token.startsWith(STATIC_PREFIX)) {
        const address = token.slice(STATIC_PREFIX.length).toLowerCase()
        if (!known(address)) return 'malformed'
        return staticRevoked.get(address) ?? { address, scopes: FULL_SCOPES }
      }
      const { address, scopes, generation, serial: own = 0 } = open<Sealed>(token, REFRESH_PREFIX) ?? {}
      if (address === undefined || scopes === undefined || !known(address)) return 'malformed'
      if ((generation ?? 0) < revocations.of(address)) return 'revoked'
      if (own <= (lapses.get(address) ?? 0)) return 'expired'
      return single && spent.has(token) ? 'spent' : { address, scopes }
    },
    spend: token => spent.add(token),
    readAuthorization(header) {
      const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
      if (token === undefined) throw unauthenticated(false)
      const sealed = open<Sealed>(token, ACCESS_PREFIX)
      if (!sealed || (sealed.expiresAtMs ?? 0) <= now()) throw unauthenticated(true)
      const { address, scopes, generation } = sealed
      if (generation < accessGenerations.of(address ?? EVERYBODY)) throw unauthenticated(true)
      return { address, scopes }
    },
    expire(address) {
      accessGenerations.next(address?.toLowerCase())
      for (const listener of listeners) listener('expired', address)
    },
    lapse(address) {
      lapses.set(address.toLowerCase(), serial)
      staticRevoked.set(address.toLowerCase(), 'expired')
    },
    revoke(address) {
      staticRevoked.set(address.toLowerCase(), 'revoked')
      revocations.next(address.toLowerCase())
      accessGenerations.next(address.toLowerCase())
      for (const listener of listeners) listener('revoked', address)
    },
    restore: address => staticRevoked.delete(address.toLowerCase()),
    listen: listener => listeners.push(listener),
  }
}
