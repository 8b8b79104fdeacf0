import type { ConfidentialClientApplication, INetworkModule } from '@azure/msal-node'
import { MailError } from '../error.ts'
import type { Http } from '../http/exchange.ts'
import { type LoginAnswer, loginError, noAnswerError } from './login-errors.ts'

/** An app registered at Microsoft, and the address of Microsoft (or a simulator). */
export interface MicrosoftApp {
  clientId: string
  /** Public clients ("Mobile and desktop") have none. */
  clientSecret?: string | undefined
  /** The id or a domain of a tenant, or `common`, `organizations` or `consumers`. */
  tenant: string
  loginUrl: string
  /** The timeout for one answer; 10 s by default. */
  timeoutMs?: number | undefined
  http: Http
}

/** An msal client for one mailbox and one request. Its cache is shared with nobody and ends with it. */
export interface LoginClient {
  msal: ConfidentialClientApplication
  /**
   * Converts an error thrown by msal into the MailError of the answer it received, or of the missing answer.
   */
  errorOf(thrown: unknown): MailError
}

const TIMEOUT_MS = 10_000
const LARGEST_ANSWER_BYTES = 1_048_576

/** The address that msal uses for Microsoft. msal refuses http addresses and verifies unknown hosts. */
export const MSAL_LOGIN_URL = 'https://login.microsoftonline.com'

/**
 * Creates an unused msal client. msal is loaded with the first client (0.1 s, and up to 18 MB), so runs
 * without Outlook mailboxes do not pay for it. It never retries, follows no redirect, and logs nothing.
 * `doing` names the purpose.
 */
export async function loginClient(app: MicrosoftApp, doing: string, signal?: AbortSignal): Promise<LoginClient> {
  const { ConfidentialClientApplication, PublicClientApplication } = await import('@azure/msal-node')
  let refusal: MailError | undefined
  const configuration = {
    auth: { clientId: app.clientId, authority: `${MSAL_LOGIN_URL}/${app.tenant}` },
    system: {
      networkClient: network(app, signal, answer => {
        refusal = 'error' in answer ? noAnswerError(answer.error, doing) : loginError(answer, doing)
        return refusal
      }),
      disableInternalRetries: true,
      loggerOptions: { loggerCallback: () => undefined, piiLoggingEnabled: false },
    },
  }
  const { clientSecret } = app
  return {
    // The two classes offer different methods, and a public client never requests a token of its own.
    msal: (clientSecret
      ? new ConfidentialClientApplication({ ...configuration, auth: { ...configuration.auth, clientSecret } })
      : new PublicClientApplication(configuration)) as ConfidentialClientApplication,
    errorOf: thrown => refusal ?? msalError(thrown, doing),
  }
}

type Refused = (answer: LoginAnswer | { error: unknown }) => MailError

// msal receives only successes: it keeps neither the status of a refusal nor its wait.
function network(app: MicrosoftApp, signal: AbortSignal | undefined, refused: Refused): INetworkModule {
  return {
    sendGetRequestAsync: (url, options) => send('GET', url, options),
    sendPostRequestAsync: (url, options) => send('POST', url, options),
  }

  async function send<T>(
    method: string,
    url: string,
    { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
  ): Promise<{ status: number; headers: Record<string, string>; body: T }> {
    const answer = await exchange(method, url, headers, body).catch(error => ({ error }))
    if ('error' in answer || answer.status !== 200 || typeof answer.body !== 'object') throw refused(answer)
    return { status: 200, headers: {}, body: answer.body as T }
  }

  async function exchange(
    method: string,
    url: string,
    headers: Record<string, string>,
    body: string | undefined,
  ): Promise<LoginAnswer> {
    if (!url.startsWith(`${MSAL_LOGIN_URL}/`)) {
      throw new MailError('misconfigured', `refused to send a Microsoft sign-in request to ${new URL(url).host}`)
    }
    const limit = AbortSignal.timeout(app.timeoutMs ?? TIMEOUT_MS)
    const answer = await app.http.exchange(`${app.loginUrl}${url.slice(MSAL_LOGIN_URL.length)}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      mostBytes: LARGEST_ANSWER_BYTES,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
    const text = await answer.text()
    return { status: answer.status, body: parsed(text), retryAfter: answer.headers.get('retry-after') ?? undefined }
  }
}

function parsed(text: string): unknown {
  try {
    // `null` is not an object either.
    return JSON.parse(text) ?? text
  } catch {
    return text
  }
}

// No request was sent, or msal could not use the answer. Its text may name the account.
function msalError(thrown: unknown, doing: string): MailError {
  if (thrown instanceof MailError) return thrown
  const code = thrown instanceof Error && 'errorCode' in thrown ? String(thrown.errorCode) : 'an unreadable answer'
  return /^(no_tokens_found|refresh_token_expired|no_account_found)$/.test(code)
    ? new MailError('unauthorized', `${doing}: the refresh token is gone (${code}); connect the mailbox again`)
    : new MailError('unavailable', `${doing}: signing in at Microsoft failed (${code})`)
}
