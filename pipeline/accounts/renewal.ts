import type { MailError } from '../../shared/error.ts'
import { isDeadGrant as isDeadGoogleGrant, type OAuthApp, refreshGrant } from '../../shared/gmail/oauth.ts'
import type { MicrosoftApp } from '../../shared/outlook/login.ts'
import { isDeadGrant as isDeadMicrosoftGrant, renewGrant } from '../../shared/outlook/oauth.ts'
import type { AccessToken } from '../../shared/provider/tokens.ts'

/** How a provider renews an access token from an owner's grant. */
export interface Renewal {
  /** Asks the provider once; a `secret` in the answer replaces the old one. Throws `misconfigured` where no OAuth client is set. */
  renew(secret: string, doing: string): Promise<{ access: AccessToken; secret?: string | undefined }>
  /** Returns whether `renew` threw because the grant is dead for good. */
  isDead(error: MailError): boolean
}

/** Renews at Google: the secret is a refresh token, which Google seldom replaces. */
export function googleRenewal(app: () => OAuthApp): Renewal {
  return {
    async renew(secret, doing) {
      const { access, refreshToken } = await refreshGrant(app(), secret, doing)
      return refreshToken === secret ? { access } : { access, secret: refreshToken }
    },
    isDead: isDeadGoogleGrant,
  }
}

/** Renews at Microsoft: the secret is msal's cache, which changes with every renewal. */
export function microsoftRenewal(app: () => MicrosoftApp): Renewal {
  return {
    async renew(secret, doing) {
      const { access, cache } = await renewGrant(app(), secret, doing)
      return { access, secret: cache }
    },
    isDead: isDeadMicrosoftGrant,
  }
}
