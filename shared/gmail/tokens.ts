import { type AccessTokens, heldTokens } from '../provider/tokens.ts'
import { type OAuthApp, refreshGrant } from './oauth.ts'

/** Access tokens for this process alone, got with a refresh token. */
export function ownTokens(app: OAuthApp, refreshToken: string, now?: () => number): AccessTokens {
  return heldTokens(async doing => (await refreshGrant(app, refreshToken, doing)).access, now)
}
