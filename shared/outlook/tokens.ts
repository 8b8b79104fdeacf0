import { type AccessTokens, heldTokens } from '../provider/tokens.ts'
import type { MicrosoftApp } from './login.ts'
import { applicationToken, beginGrant, renewGrant } from './oauth.ts'

/** Access tokens for this process alone, begun with a refresh token; what it is replaced by is held in memory. */
export function ownTokens(app: MicrosoftApp, refreshToken: string, now?: () => number): AccessTokens {
  let held: string | undefined
  return heldTokens(async doing => {
    const cache = held
    // One that fails is not held on to: the first may do.
    held = undefined
    const granted = cache === undefined ? beginGrant(app, refreshToken, doing) : renewGrant(app, cache, doing)
    const { access, cache: replaced } = await granted
    held = replaced
    return access
  }, now)
}

/** Access tokens of the app itself, one for all the mailboxes it may read. */
export function applicationTokens(app: MicrosoftApp, now?: () => number): AccessTokens {
  return heldTokens(doing => applicationToken(app, doing), now)
}
