import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import type { OAuthApp } from '../shared/gmail/oauth.ts'

const GOOGLE = {
  authUrl: 'https://accounts.google.com/o/oauth2/v2/auth',
  tokenUrl: 'https://oauth2.googleapis.com/token',
  revokeUrl: 'https://oauth2.googleapis.com/revoke',
}

/** The configured OAuth client, at Google or at a simulator, which takes any; throws `misconfigured` when none is set. */
export function oauthApp(config: Config, simUrl: string | undefined): OAuthApp {
  const { GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET } = config
  if (simUrl) {
    return {
      clientId: GMAIL_CLIENT_ID ?? 'simulated',
      clientSecret: GMAIL_CLIENT_SECRET ?? 'simulated',
      authUrl: `${simUrl}/o/oauth2/v2/auth`,
      tokenUrl: `${simUrl}/token`,
      revokeUrl: `${simUrl}/revoke`,
    }
  }
  if (!GMAIL_CLIENT_ID || !GMAIL_CLIENT_SECRET) {
    throw new MailError(
      'misconfigured',
      'no OAuth client is set: make one of the type "Desktop app" in the Google Cloud console, and set GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET',
    )
  }
  return { clientId: GMAIL_CLIENT_ID, clientSecret: GMAIL_CLIENT_SECRET, ...GOOGLE }
}

/** Whether the settings name one Google account. */
export function hasAccount(config: Config): boolean {
  return Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET && config.GMAIL_REFRESH_TOKEN)
}

/** Whether the settings let accounts be connected: an OAuth client, and a key to seal what their owners grant. */
export function canConnect(config: Config): boolean {
  return Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET && config.MAILBOXES_KEY.length > 0)
}
