import { type AccessTokens, isEnding, isYoung } from '../tokens.ts'
import { type Granted, type OAuthApp, refreshGrant } from './oauth.ts'

/** Access tokens for this process alone, got with a refresh token: asked for when one is needed first, once however many calls wait for it. */
export function ownTokens(app: OAuthApp, refreshToken: string, now: () => number = Date.now): AccessTokens {
  let held: Granted | undefined
  let asking: Promise<Granted> | undefined
  return {
    async get(doing) {
      if (held && !isEnding(held, now())) return held.accessToken
      asking ??= refreshGrant(app, refreshToken, doing).finally(() => {
        asking = undefined
      })
      held = await asking
      return held.accessToken
    },

    async refused(token) {
      if (held?.accessToken !== token) return true
      const old = held
      held = undefined
      return !isYoung(old, now())
    },
  }
}
