import { type AccessTokens, cachedTokens } from '../provider/tokens.ts'
import { type OAuthApp, refreshGrant } from './oauth.ts'

/** Returns access tokens for this process only, obtained with a refresh token. */
export function ownTokens(app: OAuthApp, refreshToken: string, now?: () => number): AccessTokens {
  return cachedTokens(async doing => (await refreshGrant(app, refreshToken, doing)).access, now)
}
