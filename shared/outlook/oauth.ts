import type { AuthenticationResult } from '@azure/msal-node'
import { MailError } from '../error.ts'
import type { AccessToken, Consent } from '../provider/tokens.ts'
import { type LoginClient, loginClient, type MicrosoftApp, MSAL_LOGIN_URL } from './login.ts'

/**
 * A grant of an owner: an access token, and msal's serialised cache, which contains everything needed for the
 * next token.
 */
export interface Granted {
  access: AccessToken
  cache: string
  scopes: readonly string[]
}

/**
 * Permission to read mail and its owner's address. The narrower Mail.ReadBasic leaves out bodyPreview, the
 * only text of a mail that we read (learn.microsoft.com/graph/permissions-reference). Without User.Read, `GET
 * /me` is refused. msal adds openid, profile and offline_access.
 */
const SCOPES = ['https://graph.microsoft.com/Mail.Read', 'https://graph.microsoft.com/User.Read']
// All permissions that an administrator gave the app
// (learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope).
const APPLICATION_SCOPES = ['https://graph.microsoft.com/.default']

const DEFAULT_LIFE_MS = 3_600_000

/**
 * Returns the page on which a mailbox's owner grants permanent read access. PKCE (S256) makes a stolen code
 * useless.
 */
export async function askConsent(
  app: MicrosoftApp,
  options: { redirectUri: string; state: string; address?: string | undefined },
): Promise<Consent> {
  const { redirectUri, state, address } = options
  const { CryptoProvider } = await import('@azure/msal-node')
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes()
  const { msal } = await loginClient(app, 'asking for consent')
  const url = await msal.getAuthCodeUrl({
    scopes: SCOPES,
    redirectUri,
    state,
    codeChallenge: challenge,
    codeChallengeMethod: 'S256',
    // With prompt `select_account`, msal drops the login hint.
    ...(address === undefined ? { prompt: 'select_account' } : { loginHint: address }),
  })
  return { url: url.replace(MSAL_LOGIN_URL, app.loginUrl), verifier }
}

/** Exchanges the code that consent gave, unless the signal aborts. Throws as `renewGrant` does. */
export function exchangeCode(
  app: MicrosoftApp,
  { code, verifier, redirectUri }: { code: string; verifier: string; redirectUri: string },
  signal?: AbortSignal,
): Promise<Granted> {
  const ask = ({ msal }: LoginClient) =>
    msal.acquireTokenByCode({ scopes: SCOPES, code, codeVerifier: verifier, redirectUri })
  return granted(app, 'exchanging the code for tokens', ask, signal)
}

/** Starts a grant from a refresh token obtained elsewhere. Throws as `renewGrant` does. */
export function beginGrant(app: MicrosoftApp, refreshToken: string, doing: string): Promise<Granted> {
  return granted(app, `${doing}, requesting a token`, ({ msal }) =>
    msal.acquireTokenByRefreshToken({ scopes: SCOPES, refreshToken, forceCache: true }),
  )
}

/**
 * Requests an access token once; `doing` names the purpose. Throws `unauthorized` if the grant is permanently
 * dead: expired, revoked, or ended by a new password. Also throws `misconfigured` naming the settings,
 * `throttled` and `unavailable`.
 */
export function renewGrant(app: MicrosoftApp, cache: string, doing: string): Promise<Granted> {
  return granted(app, `${doing}, requesting a token`, async ({ msal }) => {
    const tokenCache = msal.getTokenCache()
    tokenCache.deserialize(cache)
    const [account] = await tokenCache.getAllAccounts()
    if (!account) throw new MailError('unauthorized', `${doing}: the account is empty; connect the mailbox again`)
    return msal.acquireTokenSilent({ scopes: SCOPES, account, forceRefresh: true })
  })
}

/**
 * Requests a token of the app itself, for the mailboxes that an administrator lets it read. Throws as
 * `renewGrant` does.
 */
export async function applicationToken(app: MicrosoftApp, doing: string): Promise<AccessToken> {
  const { access } = await granted(app, `${doing}, requesting a token`, ({ msal }) =>
    msal.acquireTokenByClientCredential({ scopes: APPLICATION_SCOPES, skipCache: true }),
  )
  return access
}

/** Whether `renewGrant` threw because the grant is permanently dead. */
export function isDeadGrant(error: MailError): boolean {
  return error.kind === 'unauthorized'
}

/** Whether the granted scopes suffice to read mail. */
export function canReadMail({ scopes }: Granted): boolean {
  return scopes.some(scope => /(^|\/)mail\.read$/i.test(scope))
}

/** Whether msal has a refresh token, without which access ends within the hour. */
export function lasts({ cache }: Granted): boolean {
  const { RefreshToken = {} } = JSON.parse(cache) as { RefreshToken?: object }
  return Object.keys(RefreshToken).length > 0
}

async function granted(
  app: MicrosoftApp,
  doing: string,
  ask: (client: LoginClient) => Promise<AuthenticationResult | null>,
  signal?: AbortSignal,
): Promise<Granted> {
  const client = await loginClient(app, doing, signal)
  // msal computes the expiry from this machine's clock.
  const givenAt = Date.now()
  try {
    const result = await ask(client)
    // msal accepts an answer without a token.
    if (!result?.accessToken) throw new MailError('unavailable', `${doing}: the answer contains no token`)
    const { accessToken: token, expiresOn, scopes } = result
    const endsAt = expiresOn?.getTime() ?? givenAt + DEFAULT_LIFE_MS
    return { access: { token, givenAt, endsAt }, cache: client.msal.getTokenCache().serialize(), scopes }
  } catch (thrown) {
    throw client.errorOf(thrown)
  }
}
