import { createCounts, open, seal } from '../seal.ts'
import { unauthenticated } from './error.ts'

/** A grant: a mailbox, and Google's scopes in full. */
export interface Grant {
  address: string
  scope: string
}

/** Full access: the scope of `simulated:` refresh tokens, unless they ask for less. */
const FULL_SCOPE = 'https://mail.google.com/'

const VALID_SECONDS = 3600
const STATIC_PREFIX = 'simulated:'
const REFRESH_PREFIX = '1//simulated-'
const MOST_OPENED = 10_000
const ACCESS_PREFIX = 'ya29.simulated-'

/**
 * The tokens of a simulator. A token encodes its owner and expiry, so it survives a restart of the simulator,
 * as a real one survives a restart of Google's servers.
 */
export interface Tokens {
  /** Sets the lifetime of later access tokens in seconds; 3600 by default. */
  setLifetime(seconds: number): void
  lifetime(): number
  access(grant: Grant): string
  refresh(grant: Grant): string
  /**
   * Returns the grant of a refresh token; `undefined` if it is revoked or invalid. `simulated:<address>`
   * works for any mailbox.
   */
  readRefresh(token: string): Grant | undefined
  /**
   * Returns the grant of an Authorization header; throws a 401 if it is missing, invalid, expired or revoked.
   */
  readAuthorization(header: string | undefined): Grant
  /** Returns the mailbox of an Authorization header; `undefined` if it is invalid. */
  addressIn(header: string | undefined): string | undefined
  /** Invalidates existing access tokens of one mailbox or of all; refresh tokens still work. */
  expire(address?: string): void
  /** Revokes all grants of a mailbox: `invalid_grant` until it is granted again. */
  revoke(address: string): void
  /** Revokes a token's grant; returns false if there is none. */
  revokeToken(token: string): boolean
  /** Restores `simulated:<address>`. */
  restore(address: string): void
}

interface Sealed extends Grant {
  /** How often tokens of its kind had been invalidated when it was issued. */
  generation: number
  expiresAtMs?: number
}

/** Creates tokens without revocations; `known` reports whether a mailbox exists. */
export function createTokens(options: { known: (address: string) => boolean; now: () => number }): Tokens {
  const { known, now } = options
  const accessGenerations = createCounts()
  const refreshGenerations = createCounts()
  const staticRevoked = new Set<string>()
  // Every part of a batch has the same token.
  const opened = new Map<string, Sealed>()
  let lifetimeSeconds = VALID_SECONDS

  const readRefresh = (token: string): Grant | undefined => {
    if (token.startsWith(STATIC_PREFIX)) {
      const address = token.slice(STATIC_PREFIX.length).toLowerCase()
      return known(address) && !staticRevoked.has(address) ? { address, scope: FULL_SCOPE } : undefined
    }
    const sealed = open<Sealed>(token, REFRESH_PREFIX)
    const valid = sealed && known(sealed.address) && sealed.generation >= refreshGenerations.of(sealed.address)
    return valid ? { address: sealed.address, scope: sealed.scope } : undefined
  }

  const readAccess = (token: string): Grant | undefined => {
    const sealed = opened.get(token) ?? open<Sealed>(token, ACCESS_PREFIX)
    if (sealed && opened.size < MOST_OPENED) opened.set(token, sealed)
    if (!sealed || (sealed.expiresAtMs ?? 0) <= now()) return undefined
    return sealed.generation >= accessGenerations.of(sealed.address) ? sealed : undefined
  }

  const revoke = (address: string) => {
    staticRevoked.add(address)
    refreshGenerations.next(address)
    accessGenerations.next(address)
  }

  return {
    setLifetime(seconds) {
      lifetimeSeconds = seconds
    },
    lifetime: () => lifetimeSeconds,
    access: ({ address, scope }) =>
      seal(ACCESS_PREFIX, {
        address,
        scope,
        generation: accessGenerations.of(address),
        expiresAtMs: now() + lifetimeSeconds * 1000,
      }),
    refresh: ({ address, scope }) =>
      seal(REFRESH_PREFIX, { address, scope, generation: refreshGenerations.of(address) }),
    readRefresh,
    readAuthorization(header) {
      const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
      if (token === undefined) throw unauthenticated(false)
      const grant = readAccess(token)
      if (!grant) throw unauthenticated(true)
      return grant
    },
    addressIn(header) {
      const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
      return token === undefined ? undefined : readAccess(token)?.address
    },
    expire: address => accessGenerations.next(address?.toLowerCase()),
    revoke: address => revoke(address.toLowerCase()),
    revokeToken(token) {
      const grant = readRefresh(token) ?? readAccess(token)
      if (grant) revoke(grant.address)
      return grant !== undefined
    },
    restore: address => staticRevoked.delete(address.toLowerCase()),
  }
}
