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
  const accessGenerations = generations()
  const refreshGenerations = generations()
  const staticRevoked = new Set<string>()
  let lifetimeSeconds = VALID_SECONDS

  const readRefresh = (token: string): Grant | undefined => {
    if (token.startsWith(STATIC_PREFIX)) {
      const address = token.slice(STATIC_PREFIX.length).toLowerCase()
      return known(address) && !staticRevoked.has(address) ? { address, scope: FULL_SCOPE } : undefined
    }
    const sealed = open(token, REFRESH_PREFIX)
    const valid = sealed && known(sealed.address) && sealed.generation >= refreshGenerations.of(sealed.address)
    return valid ? { address: sealed.address, scope: sealed.scope } : undefined
  }

  const readAccess = (token: string): Grant | undefined => {
    const sealed = open(token, ACCESS_PREFIX)
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

/** Counts for each address, and for all. */
function generations() {
  const own = new Map<string, number>()
  let all = 0
  return {
    of: (address: string) => all + (own.get(address) ?? 0),
    next(address?: string) {
      if (address === undefined) all += 1
      else own.set(address, (own.get(address) ?? 0) + 1)
    },
  }
}

function seal(prefix: string, sealed: Sealed): string {
  return prefix + Buffer.from(JSON.stringify(sealed)).toString('base64url')
}

function open(token: string, prefix: string): Sealed | undefined {
  if (!token.startsWith(prefix)) return undefined
  try {
    return JSON.parse(Buffer.from(token.slice(prefix.length), 'base64url').toString()) as Sealed
  } catch {
    return undefined
  }
}
