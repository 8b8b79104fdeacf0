import type { AuthenticationResult } from '@azure/msal-node'
import { MailError } from '../error.ts'
import type { AccessToken, Consent } from '../provider/tokens.ts'
import { type LoginClient, loginClient, type MicrosoftApp, MSAL_LOGIN_URL } from './login.ts'

/** What an owner granted: an access token, and msal's cache as it serialises it, which holds all that the next one is got with. */
export interface Granted {
  access: AccessToken
  cache: string
  scopes: readonly string[]
}

/**
 * Reading mail, and whose it is. The narrower Mail.ReadBasic leaves out bodyPreview, all that is known of what a mail says
 * (learn.microsoft.com/graph/permissions-reference); without User.Read `GET /me` is refused. msal adds openid, profile and offline_access.
 */
const SCOPES = ['https://graph.microsoft.com/Mail.Read', 'https://graph.microsoft.com/User.Read']
// What the app was given by an administrator, all of it (learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope).
const APPLICATION_SCOPES = ['https://graph.microsoft.com/.default']

const DEFAULT_LIFE_MS = 3_600_000

/** The page on which the owner of a mailbox allows us to read it, for good; with PKCE (S256), so that a stolen code is of no use. */
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
    // Where a choice is asked for, msal suggests nobody.
    ...(address === undefined ? { prompt: 'select_account' } : { loginHint: address }),
  })
  return { url: url.replace(MSAL_LOGIN_URL, app.loginUrl), verifier }
}

/** Exchanges the code that consent gave, unless it is given up meanwhile. Throws as `renewGrant` does. */
export function exchangeCode(
  app: MicrosoftApp,
  { code, verifier, redirectUri }: { code: string; verifier: string; redirectUri: string },
  signal?: AbortSignal,
): Promise<Granted> {
  const ask = ({ msal }: LoginClient) =>
    msal.acquireTokenByCode({ scopes: SCOPES, code, codeVerifier: verifier, redirectUri })
  return granted(app, 'exchanging the code for tokens', ask, signal)
}

/** Begins with a refresh token that was got elsewhere. Throws as `renewGrant` does. */
export function beginGrant(app: MicrosoftApp, refreshToken: string, doing: string): Promise<Granted> {
  return granted(app, `${doing}, asking for a token`, ({ msal }) =>
    msal.acquireTokenByRefreshToken({ scopes: SCOPES, refreshToken, forceCache: true }),
  )
}

/**
 * Asks for an access token once; `doing` names what for. Throws `unauthorized` when the grant is dead, for good: expired, taken back, or
 * ended by a new password; `misconfigured` naming the settings; `throttled` and `unavailable`.
 */
export function renewGrant(app: MicrosoftApp, cache: string, doing: string): Promise<Granted> {
  return granted(app, `${doing}, asking for a token`, async ({ msal }) => {
    const held = msal.getTokenCache()
    held.deserialize(cache)
    const [account] = await held.getAllAccounts()
    if (!account) throw new MailError('unauthorized', `${doing}: the account is empty; connect the mailbox again`)
    return msal.acquireTokenSilent({ scopes: SCOPES, account, forceRefresh: true })
  })
}

/** A token of the app itself, for the mailboxes an administrator lets it read. Throws as `renewGrant` does. */
export async function applicationToken(app: MicrosoftApp, doing: string): Promise<AccessToken> {
  const { access } = await granted(app, `${doing}, asking for a token`, ({ msal }) =>
    msal.acquireTokenByClientCredential({ scopes: APPLICATION_SCOPES, skipCache: true }),
  )
  return access
}

/** Whether `renewGrant` threw because the grant is dead for good. */
export function isDeadGrant(error: MailError): boolean {
  return error.kind === 'unauthorized'
}

/** Whether what was granted is enough to read mail. */
export function canReadMail({ scopes }: Granted): boolean {
  return scopes.some(scope => /(^|\/)mail\.read$/i.test(scope))
}

/** Whether msal was given a refresh token, without which access ends within the hour. */
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
  const givenAt = Date.now()
  try {
    const result = await ask(client)
    // msal takes an answer without a token for one.
    if (!result?.accessToken) throw new MailError('unavailable', `${doing}: the answer holds no token`)
    const { accessToken: token, expiresOn, scopes } = result
    const endsAt = expiresOn?.getTime() ?? givenAt + DEFAULT_LIFE_MS
    return { access: { token, givenAt, endsAt }, cache: client.msal.getTokenCache().serialize(), scopes }
  } catch (thrown) {
    throw client.errorOf(thrown)
  }
}
