import { createCounts, open, seal } from '../seal.ts'
import { unauthenticated } from './error.ts'

/** What somebody was granted: a mailbox, and Google's scopes in full. */
export interface Grant {
  address: string
  scope: string
}

/** Everything Gmail has: the scope of `simulated:` refresh tokens, unless they ask for less. */
const FULL_SCOPE = 'https://mail.google.com/'

const VALID_SECONDS = 3600
const STATIC_PREFIX = 'simulated:'
const REFRESH_PREFIX = '1//simulated-'
const ACCESS_PREFIX = 'ya29.simulated-'

/**
 * The tokens of a simulator. A token itself says whose it is and until when: it outlives a restart of the simulator, as a real one
 * would outlive one of Google's servers.
 */
export interface Tokens {
  /** The lifetime of access tokens given out from now on, in seconds; 3600 at first. */
  setLifetime(seconds: number): void
  lifetime(): number
  access(grant: Grant): string
  refresh(grant: Grant): string
  /** The grant behind a refresh token, `undefined` where it is revoked or made up. `simulated:<address>` is one of any mailbox. */
  readRefresh(token: string): Grant | undefined
  /** The grant behind an Authorization header; throws a 401 where it is missing, made up, expired or revoked. */
  readAuthorization(header: string | undefined): Grant
  /** The mailbox that an Authorization header opens; `undefined` where it opens none. */
  addressIn(header: string | undefined): string | undefined
  /** Makes access tokens given out so far invalid, of one mailbox or of all; refresh tokens still work. */
  expire(address?: string): void
  /** Takes back all that was granted for a mailbox: `invalid_grant` until it is granted anew. */
  revoke(address: string): void
  /** Takes back what a token stands for; false where it stands for nothing. */
  revokeToken(token: string): boolean
  /** Lets `simulated:<address>` work again. */
  restore(address: string): void
}

interface Sealed extends Grant {
  /** How often tokens of its kind had been made invalid when it was given out. */
  generation: number
  expiresAtMs?: number
}

/** No token revoked yet; `known` says whether there is such a mailbox. */
export function createTokens(options: { known: (address: string) => boolean; now: () => number }): Tokens {
  const { known, now } = options
  const accessGenerations = createCounts()
  const refreshGenerations = createCounts()
  const staticRevoked = new Set<string>()
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
    const sealed = open<Sealed>(token, ACCESS_PREFIX)
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
