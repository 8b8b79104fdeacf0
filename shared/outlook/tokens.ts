import { type AccessTokens, cachedTokens } from '../provider/tokens.ts'
import type { MicrosoftApp } from './login.ts'
import { applicationToken, beginGrant, renewGrant } from './oauth.ts'

/**
 * Returns access tokens for this process only, starting from a refresh token. Its replacements are kept in
 * memory.
 */
export function ownTokens(app: MicrosoftApp, refreshToken: string, now?: () => number): AccessTokens {
  let cached: string | undefined
  return cachedTokens(async doing => {
    const cache = cached
    // A failed grant is dropped; the first refresh token may still work.
    cached = undefined
    const granted = cache === undefined ? beginGrant(app, refreshToken, doing) : renewGrant(app, cache, doing)
    const { access, cache: replaced } = await granted
    cached = replaced
    return access
  }, now)
}

/** Returns access tokens of the app itself, shared by all mailboxes it may read. */
export function applicationTokens(app: MicrosoftApp, now?: () => number): AccessTokens {
  return cachedTokens(doing => applicationToken(app, doing), now)
}
