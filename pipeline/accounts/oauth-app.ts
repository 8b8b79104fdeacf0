import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { OAuthApp } from '../../shared/gmail/oauth.ts'
import type { Provider } from '../../shared/mailbox.ts'
import type { MicrosoftApp } from '../../shared/outlook/login.ts'
import type { Issuer } from '../../shared/redis/secrets.ts'

const GOOGLE = {
  authUrl: 'https://accounts.google.com/o/oauth2/v2/auth',
  tokenUrl: 'https://oauth2.googleapis.com/token',
  revokeUrl: 'https://oauth2.googleapis.com/revoke',
}
const MICROSOFT = 'https://login.microsoftonline.com'
// developers.google.com/identity/openid-connect/openid-connect#discovery
const GOOGLE_ISSUER = 'https://accounts.google.com'
const SIMULATED = 'simulated'
const ANY_TENANT = ['common', 'organizations', 'consumers']

/** Who gives a provider's grants: whoever is asked for tokens. What a provider gave is never shown to a simulator, nor the other way round. */
export function issuerOf(provider: Provider, simUrl: string | undefined): Issuer {
  if (simUrl) return { name: new URL(simUrl).origin, isSimulator: true }
  return { name: provider === 'gmail' ? GOOGLE_ISSUER : MICROSOFT, isSimulator: false }
}

/** The configured OAuth client at Google, or at a simulator, which takes any and is not told our secret; throws `misconfigured` when none is set. */
export function googleApp(config: Config, simUrl: string | undefined): OAuthApp {
  const { GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET } = config
  if (simUrl) {
    return {
      clientId: GMAIL_CLIENT_ID ?? SIMULATED,
      clientSecret: SIMULATED,
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

/** The configured app at Microsoft, or at a simulator, which takes any and is not told our secret; throws `misconfigured` when none is set. */
export function microsoftApp(config: Config, simUrl: string | undefined): MicrosoftApp {
  const { OUTLOOK_CLIENT_ID, OUTLOOK_CLIENT_SECRET, OUTLOOK_TENANT: tenant } = config
  const clientId = OUTLOOK_CLIENT_ID ?? (simUrl ? SIMULATED : undefined)
  // What has a secret is asked about otherwise than what has none.
  const clientSecret = OUTLOOK_CLIENT_SECRET && simUrl ? SIMULATED : OUTLOOK_CLIENT_SECRET
  if (!clientId) {
    throw new MailError(
      'misconfigured',
      'no app is set: register one at https://entra.microsoft.com with the redirect URI http://localhost of the type "Mobile and desktop", and set OUTLOOK_CLIENT_ID',
    )
  }
  return { clientId, clientSecret, tenant, loginUrl: simUrl ?? MICROSOFT }
}

/**
 * The configured app as it reads the mailboxes of OUTLOOK_MAILBOXES, by itself and without their owners. Throws `misconfigured` where it
 * has no secret, or no tenant of its own: the others stand for tenants of people, and nobody signs in here.
 */
export function microsoftApplication(config: Config, simUrl: string | undefined): MicrosoftApp {
  const app = microsoftApp(config, simUrl)
  const clientSecret = app.clientSecret ?? (simUrl ? SIMULATED : undefined)
  if (clientSecret && !ANY_TENANT.includes(app.tenant.toLowerCase())) return { ...app, clientSecret }
  const lacks = clientSecret
    ? `OUTLOOK_TENANT is ${app.tenant}: set it to the id or a domain of your tenant`
    : 'OUTLOOK_CLIENT_SECRET is not set: set it'
  throw new MailError(
    'misconfigured',
    `OUTLOOK_MAILBOXES are read with application permissions, and ${lacks}, or unset OUTLOOK_MAILBOXES and run \`mailsluice connect outlook\``,
  )
}
