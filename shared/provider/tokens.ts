import { MACHINE } from '../machine.ts'

/** The source of a mailbox's access tokens. */
export interface AccessTokens {
  /**
   * Returns a token that stays valid for a while; `doing` names its purpose. Throws `unauthorized` when the mailbox must be connected
   * again.
   */
  get(doing: string, signal: AbortSignal): Promise<string>
  /**
   * Reports that the provider answered 401 to this token. Returns whether another token may succeed; otherwise the grant itself is at
   * fault.
   */
  refused(token: string): Promise<boolean>
}

/** An access token with its times of issue and expiry, in ms since 1970. */
export interface AccessToken {
  token: string
  givenAt: number
  endsAt: number
}

/** A consent request to a mailbox's owner: the page to open, and the verifier that later proves that an answer belongs to it. */
export interface Consent {
  url: string
  verifier: string
}

const AHEAD_MS = 60_000
const AHEAD_SHARE = 4
const YOUNG_MS = 60_000

/** Returns whether a token has to be replaced: from a minute before it expires, or in the last quarter of a shorter life. */
export function isEnding({ givenAt, endsAt }: AccessToken, now: number): boolean {
  return now >= endsAt - Math.min(AHEAD_MS, (endsAt - givenAt) / AHEAD_SHARE)
}

/** Returns whether a token was issued so recently that another one would be refused too. */
export function isYoung({ givenAt }: AccessToken, now: number): boolean {
  return now - givenAt < YOUNG_MS
}

/**
 * Caches access tokens for this process only. Requests one when it is first needed, and once for all concurrent callers. Only the lifetime
 * of a token counts, because its times may be those of another clock than `now`.
 */
export function cachedTokens(
  ask: (doing: string) => Promise<AccessToken>,
  now: () => number = MACHINE.date,
): AccessTokens {
  let cached: AccessToken | undefined
  let asking: Promise<AccessToken> | undefined
  return {
    async get(doing) {
      if (cached && !isEnding(cached, now())) return cached.token
      asking ??= askNow(doing).finally(() => {
        asking = undefined
      })
      cached = await asking
      return cached.token
    },

    async refused(token) {
      if (cached?.token !== token) return true
      const old = cached
      cached = undefined
      return !isYoung(old, now())
    },
  }

  async function askNow(doing: string): Promise<AccessToken> {
    const askedAt = now()
    const { token, givenAt, endsAt } = await ask(doing)
    return { token, givenAt: askedAt, endsAt: askedAt + endsAt - givenAt }
  }
}
