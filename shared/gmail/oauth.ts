import type { auth } from 'googleapis/build/src/apis/gmail/index.js'
import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Http } from '../http/exchange.ts'
import { retryAfterIn } from '../http/retry-after.ts'
import { networkError } from '../http/sender.ts'
import type { AccessToken, Consent } from '../provider/tokens.ts'
import { errorOf } from './errors.ts'

/** An OAuth client of a Google Cloud project, and the addresses of Google (or a simulator). */
export interface OAuthApp {
  clientId: string
  clientSecret: string
  authUrl: string
  tokenUrl: string
  revokeUrl: string
  /** The timeout for one answer; 10 s by default. */
  timeoutMs?: number | undefined
  http: Http
}

/**
 * The answer of Google's token endpoint. `refreshToken` is set on consent, and when Google replaces the old
 * one.
 */
export interface Granted {
  access: AccessToken
  refreshToken: string | undefined
  scopes: readonly string[]
}

/**
 * Read-only access. The narrower gmail.metadata forbids searching by date, and message bodies
 * (developers.google.com/gmail/api/auth/scopes).
 */
export const GMAIL_SCOPE = 'https://www.googleapis.com/auth/gmail.readonly'

const TIMEOUT_MS = 10_000
const LARGEST_ANSWER_BYTES = 1 << 20
const DEFAULT_LIFE_SECONDS = 3600

/**
 * Returns the page on which a mailbox's owner grants permanent read access. PKCE (S256) makes a stolen code
 * useless.
 */
export async function askConsent(
  app: OAuthApp,
  options: { redirectUri: string; state: string; address?: string | undefined },
): Promise<Consent> {
  const client = await clientOf(app)
  const { codeVerifier, codeChallenge } = await client.generateCodeVerifierAsync()
  const url = new URL(
    client.generateAuthUrl({
      redirect_uri: options.redirectUri,
      scope: GMAIL_SCOPE,
      state: options.state,
      access_type: 'offline',
      // Without it, Google gives a refresh token only on the first consent.
      prompt: 'consent',
      code_challenge: codeChallenge ?? '',
      ...(options.address === undefined ? {} : { login_hint: options.address }),
    }),
  )
  url.searchParams.set('code_challenge_method', 'S256')
  return { url: url.href, verifier: codeVerifier }
}

/** Exchanges the code that consent gave. Throws as `refreshGrant` does. */
export function exchangeCode(
  app: OAuthApp,
  { code, verifier, redirectUri }: { code: string; verifier: string; redirectUri: string },
): Promise<Granted> {
  return granted(app, 'exchanging the code for tokens', async client => {
    await client.getToken({ code, codeVerifier: verifier, redirect_uri: redirectUri })
  })
}

/**
 * Requests an access token once; `doing` names the purpose. Throws `unauthorized` if the grant is dead, else
 * the error of Google's answer.
 */
export function refreshGrant(app: OAuthApp, refreshToken: string, doing: string): Promise<Granted> {
  return granted(app, `${doing}, requesting a token`, async client => {
    client.setCredentials({ refresh_token: refreshToken })
    await client.getAccessToken()
  })
}

/**
 * Revokes a refresh token and everything obtained with it at Google. Throws as `refreshGrant` does. A token
 * that is already dead counts as revoked.
 */
export async function revokeGrant(app: OAuthApp, refreshToken: string): Promise<void> {
  try {
    await (await clientOf(app)).revokeToken(refreshToken)
  } catch (thrown) {
    const error = oauthError(thrown, 'revoking the token')
    if (/invalid_token/.test(error.message)) return
    throw error
  }
}

/**
 * Whether `refreshGrant` threw because the grant is permanently dead: expired, revoked, or ended by a new
 * password.
 */
export function isDeadGrant(error: MailError): boolean {
  return error.kind === 'unauthorized' && /\binvalid_grant\b/.test(error.message)
}

type Client = InstanceType<typeof auth.OAuth2>

async function clientOf({
  clientId,
  clientSecret,
  authUrl,
  tokenUrl,
  revokeUrl,
  http,
  timeoutMs = TIMEOUT_MS,
}: OAuthApp): Promise<Client> {
  // Most processes never need a token, and the library loads slowly.
  const { auth } = await import('googleapis/build/src/apis/gmail/index.js')
  return new auth.OAuth2({
    clientId,
    clientSecret,
    endpoints: { oauth2AuthBaseUrl: authUrl, oauth2TokenUrl: tokenUrl, oauth2RevokeUrl: revokeUrl },
    // The library asks to retry these requests; only a retry count of its transporter overrides that.
    transporterOptions: { retryConfig: { retry: 0 }, timeout: timeoutMs, ...http.forGoogle(LARGEST_ANSWER_BYTES) },
  })
}

const answer = z.object({
  access_token: z.string().min(1),
  expiry_date: z.number().optional(),
  refresh_token: z.string().min(1).optional(),
  scope: z.string().default(''),
})

// The library shows its raw answer only to this listener. Afterwards the old refresh token replaces a new one.
async function granted(app: OAuthApp, doing: string, ask: (client: Client) => Promise<void>): Promise<Granted> {
  const client = await clientOf(app)
  let received: unknown
  client.on('tokens', tokens => {
    received = { ...tokens }
  })
  // The library computes the expiry from this machine's clock.
  const givenAt = Date.now()
  let thrown: unknown
  await ask(client).catch(error => {
    thrown = error
  })
  const { data } = answer.safeParse(received)
  if (!data) throw oauthError(thrown, doing)
  return {
    access: {
      token: data.access_token,
      givenAt,
      endsAt: data.expiry_date ?? givenAt + DEFAULT_LIFE_SECONDS * 1000,
    },
    refreshToken: data.refresh_token,
    scopes: data.scope.split(' ').filter(scope => scope !== ''),
  }
}

const refusal = z.object({ response: z.object({ status: z.number(), data: z.unknown(), headers: z.unknown() }) })

function oauthError(thrown: unknown, doing: string): MailError {
  const response = refusal.safeParse(thrown).data?.response
  if (response && response.status >= 400) {
    const error = errorOf(
      { status: response.status, body: response.data, retryAfter: retryAfterIn(response.headers) },
      doing,
    )
    // A rejection here concerns the settings or the grant, never a message.
    if (error.kind === 'rejected')
      return new MailError('misconfigured', `${error.message}; correct GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET`)
    if (error.kind === 'unparsable') return new MailError('unavailable', error.message)
    if (!/\b(invalid_client|unauthorized_client)\b/.test(error.message)) return error
    return new MailError(
      'misconfigured',
      `${doing}: Google does not know the OAuth client; correct GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET`,
    )
  }
  // A success without a token does not come from Google.
  return thrown === undefined
    ? new MailError('unavailable', `${doing}: the answer contains no token`)
    : networkError(thrown, doing, 'Google')
}
