import type { ConfidentialClientApplication, INetworkModule } from '@azure/msal-node'
import { MailError } from '../error.ts'
import { exchange as ask } from '../http/exchange.ts'
import { type LoginAnswer, loginError, loginSilence } from './login-errors.ts'

/** An app registered at Microsoft, and where Microsoft (or a simulator) answers. */
export interface MicrosoftApp {
  clientId: string
  /** Public clients ("Mobile and desktop") have none. */
  clientSecret?: string | undefined
  /** The id or a domain of a tenant, or `common`, `organizations` or `consumers`. */
  tenant: string
  loginUrl: string
  /** How long to wait for one answer; 10 s by default. */
  timeoutMs?: number | undefined
}

/** A client of msal's for one mailbox and one question: what it holds is nobody else's, and ends with it. */
export interface LoginClient {
  msal: ConfidentialClientApplication
  /** What msal threw, as the MailError of the answer it was given, or of its absence. */
  errorOf(thrown: unknown): MailError
}

const TIMEOUT_MS = 10_000
const LARGEST_ANSWER_BYTES = 1_048_576

/** Where msal believes Microsoft to be: an http address is refused by it, and a host it does not know is asked about. */
export const MSAL_LOGIN_URL = 'https://login.microsoftonline.com'

/**
 * A client of msal's that was not used before. msal is loaded with the first one (0.1 s, and up to 18 MB), so that who reads no Outlook mailbox
 * goes without. It retries nothing, follows no redirect, and says nothing to any log. `doing` names what for.
 */
export async function loginClient(app: MicrosoftApp, doing: string, signal?: AbortSignal): Promise<LoginClient> {
  const { ConfidentialClientApplication, PublicClientApplication } = await import('@azure/msal-node')
  let refusal: MailError | undefined
  const configuration = {
    auth: { clientId: app.clientId, authority: `${MSAL_LOGIN_URL}/${app.tenant}` },
    system: {
      networkClient: network(app, signal, answer => {
        refusal = 'error' in answer ? loginSilence(answer.error, doing) : loginError(answer, doing)
        return refusal
      }),
      disableInternalRetries: true,
      loggerOptions: { loggerCallback: () => undefined, piiLoggingEnabled: false },
    },
  }
  const { clientSecret } = app
  return {
    // They differ in what they let be asked, and a public one is never asked for a token of its own.
    msal: (clientSecret
      ? new ConfidentialClientApplication({ ...configuration, auth: { ...configuration.auth, clientSecret } })
      : new PublicClientApplication(configuration)) as ConfidentialClientApplication,
    errorOf: thrown => refusal ?? msalError(thrown, doing),
  }
}

type Refused = (answer: LoginAnswer | { error: unknown }) => MailError

// msal is handed successes only: of a refusal it keeps neither the status nor how long to wait.
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
      throw new MailError('misconfigured', `Microsoft's sign-in is not asked at ${new URL(url).host}`)
    }
    const limit = AbortSignal.timeout(app.timeoutMs ?? TIMEOUT_MS)
    const answer = await ask(`${app.loginUrl}${url.slice(MSAL_LOGIN_URL.length)}`, {
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
    // `null` is no object of an answer either.
    return JSON.parse(text) ?? text
  } catch {
    return text
  }
}

// It did not come to a question, or not to an answer it could use. Its words may hold whom it was about.
function msalError(thrown: unknown, doing: string): MailError {
  if (thrown instanceof MailError) return thrown
  const code = thrown instanceof Error && 'errorCode' in thrown ? String(thrown.errorCode) : 'an answer it cannot read'
  return /^(no_tokens_found|refresh_token_expired|no_account_found)$/.test(code)
    ? new MailError('unauthorized', `${doing}: the refresh token is gone (${code}); connect the mailbox again`)
    : new MailError('unavailable', `${doing}: signing in at Microsoft failed (${code})`)
}
