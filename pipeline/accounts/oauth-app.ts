import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { OAuthApp } from '../../shared/gmail/oauth.ts'
import type { Http } from '../../shared/http/exchange.ts'
import type { MicrosoftApp } from '../../shared/outlook/login.ts'
import type { Issuer } from '../../shared/redis/secrets.ts'

const GOOGLE = {
  authUrl: 'https://accounts.google.com/o/oauth2/v2/auth',
  tokenUrl: 'https://oauth2.googleapis.com/token',
  revokeUrl: 'https://oauth2.googleapis.com/revoke',
}
/** The issuer of Google's grants (developers.google.com/identity/openid-connect/openid-connect#discovery). */
export const GOOGLE_ISSUER = 'https://accounts.google.com'
/** The issuer of Microsoft's grants, and where its login answers. */
export const MICROSOFT_ISSUER = 'https://login.microsoftonline.com'
const SIMULATED = 'simulated'
const ANY_TENANT = ['common', 'organizations', 'consumers']

/** Returns who issues grants: the simulator, where there is one, or else the provider's issuer of this name. */
export function issuerAt(name: string, simUrl: string | undefined): Issuer {
  if (simUrl) return { name: new URL(simUrl).origin, isSimulator: true }
  return { name, isSimulator: false }
}

/** Returns the configured OAuth client at Google; throws `misconfigured` when none is set. A simulator takes any client and never gets the secret. */
export function googleApp(config: Config, simUrl: string | undefined, http: Http): OAuthApp {
  const { GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET } = config
  if (simUrl) {
    return {
      clientId: GMAIL_CLIENT_ID ?? SIMULATED,
      clientSecret: SIMULATED,
      authUrl: `${simUrl}/o/oauth2/v2/auth`,
      tokenUrl: `${simUrl}/token`,
      revokeUrl: `${simUrl}/revoke`,
      http,
    }
  }
  if (!GMAIL_CLIENT_ID || !GMAIL_CLIENT_SECRET) {
    throw new MailError(
      'misconfigured',
      'no OAuth client is set: make one of the type "Desktop app" in the Google Cloud console, and set GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET',
    )
  }
  return { clientId: GMAIL_CLIENT_ID, clientSecret: GMAIL_CLIENT_SECRET, ...GOOGLE, http }
}

/** Returns the configured app at Microsoft; throws `misconfigured` when none is set. A simulator takes any app and never gets the secret. */
export function microsoftApp(config: Config, simUrl: string | undefined, http: Http): MicrosoftApp {
  const { OUTLOOK_CLIENT_ID, OUTLOOK_CLIENT_SECRET, OUTLOOK_TENANT: tenant } = config
  const clientId = OUTLOOK_CLIENT_ID ?? (simUrl ? SIMULATED : undefined)
  // An app with a secret is authenticated in another way than one without.
  const clientSecret = OUTLOOK_CLIENT_SECRET && simUrl ? SIMULATED : OUTLOOK_CLIENT_SECRET
  if (!clientId) {
    throw new MailError(
      'misconfigured',
      'no app is set: register one at https://entra.microsoft.com with the redirect URI http://localhost of the type "Mobile and desktop", and set OUTLOOK_CLIENT_ID',
    )
  }
  return { clientId, clientSecret, tenant, loginUrl: simUrl ?? MICROSOFT_ISSUER, http }
}

/**
 * Returns the configured app as it reads OUTLOOK_MAILBOXES, with application permissions and without their owners. Throws `misconfigured`
 * where it has no secret, or a tenant such as `common`, which stands for the tenant of whoever signs in: nobody does here.
 */
export function microsoftApplication(config: Config, simUrl: string | undefined, http: Http): MicrosoftApp {
  const app = microsoftApp(config, simUrl, http)
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
