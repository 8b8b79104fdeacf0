import { createCounts, open, seal } from '../seal.ts'
import { unauthenticated } from './error.ts'

/**
 * A grant to a program: one mailbox by its owner, or all by an administrator, with permissions by short
 * names.
 */
export interface Grant {
  /** Lower case; `undefined` for application permissions. */
  address: string | undefined
  scopes: readonly string[]
}

/** The reason to refuse a refresh token. */
export type RefreshProblem = 'malformed' | 'spent' | 'expired' | 'revoked'

/** A grant for a person's mailbox. */
export interface PersonalGrant extends Grant {
  address: string
}

/** The permissions of `simulated:` refresh tokens. */
const FULL_SCOPES = ['Mail.ReadWrite', 'User.Read']

const VALID_SECONDS = 3600
const STATIC_PREFIX = 'simulated:'
const REFRESH_PREFIX = '1.simulated-'
const ACCESS_PREFIX = 'EwB.simulated-'

/**
 * The tokens of a simulator. A token encodes its owner and expiry, so it survives a restart of the simulator.
 */
export interface Tokens {
  /** Sets the lifetime of later access tokens in seconds; 3600 by default. */
  setLifetime(seconds: number): void
  lifetime(): number
  /** Whether a replaced refresh token is refused. By default it still works, as at Microsoft. */
  setSingleUse(singleUse: boolean): void
  singleUse(): boolean
  access(grant: Grant): string
  /** Issues a refresh token, different each time. */
  refresh(grant: PersonalGrant): string
  /**
   * Returns the grant of a refresh token, or the reason to refuse it. `simulated:<address>` works for any
   * mailbox.
   */
  readRefresh(token: string): PersonalGrant | RefreshProblem
  /** Notes that a refresh token was replaced. */
  spend(token: string): void
  /**
   * Returns the grant of an Authorization header; throws a 401 if it is missing, invalid, expired or revoked.
   */
  readAuthorization(header: string | undefined): Grant
  /**
   * Invalidates existing access tokens of one mailbox or of all, including applications'; refresh tokens
   * still work.
   */
  expire(address?: string): void
  /** Expires the existing refresh tokens of a mailbox, as after 90 days without use: `invalid_grant`. */
  lapse(address: string): void
  /**
   * Revokes all grants of a mailbox, as a changed password does: `invalid_grant` until it is granted again.
   */
  revoke(address: string): void
  /** Restores `simulated:<address>`. */
  restore(address: string): void
  /** Reports calls of `expire` (without an address: of all) and `revoke`. */
  listen(listener: (event: 'expired' | 'revoked', address: string | undefined) => void): void
}

interface Sealed {
  address?: string
  scopes: string[]
  /** How often tokens of its kind had been invalidated when it was issued. */
  generation: number
  expiresAtMs?: number
  serial?: number
}

const EVERYBODY = ''

/** Creates tokens without revocations; `known` reports whether a mailbox exists. */
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
