import { z } from 'zod'
import { type ErrorKind, MailError } from '../error.ts'
import { ownOf } from '../own.ts'

/** An answer of Microsoft's token endpoint. `body` is parsed JSON if possible, else text. */
export interface LoginAnswer {
  status: number
  body: unknown
  /** The raw Retry-After header. */
  retryAfter?: string | undefined
}

const ADMIN_CONSENT =
  'an administrator of the organization must allow the app first: have one open ' +
  'https://login.microsoftonline.com/organizations/adminconsent?client_id=ID with OUTLOOK_CLIENT_ID for ID, then connect the mailbox again'
const CONDITIONAL_ACCESS =
  'a Conditional Access rule of the organization forbids it; ask its administrator to allow the app or this machine'

// Errors with these numbers can be fixed by the person who runs mailsluice
// (learn.microsoft.com/entra/identity-platform/reference-error-codes).
const REMEDIES: Readonly<Record<number, string>> = {
  7000215: 'OUTLOOK_CLIENT_SECRET is wrong: set the value of a client secret of the app, not its id',
  7000222: 'OUTLOOK_CLIENT_SECRET has expired: create another client secret, and set it',
  7000218:
    'the app is not a public client: set OUTLOOK_CLIENT_SECRET, or register http://localhost under "Mobile and desktop"',
  700025: 'the app is a public client: unset OUTLOOK_CLIENT_SECRET, or register http://localhost under "Web"',
  700016: 'no app of this tenant has the id: correct OUTLOOK_CLIENT_ID or OUTLOOK_TENANT',
  900023: 'the tenant does not exist: correct OUTLOOK_TENANT',
  90002: 'the tenant does not exist: correct OUTLOOK_TENANT',
  50194: 'the app is for one tenant only: set OUTLOOK_TENANT to it',
  90094: ADMIN_CONSENT,
  90093: ADMIN_CONSENT,
  90095: ADMIN_CONSENT,
  90097: ADMIN_CONSENT,
  650056:
    'the app lacks its permissions: add Mail.Read and User.Read of Microsoft Graph, and have an administrator consent if required',
  650057: 'the app lacks its permissions: add Mail.Read and User.Read of Microsoft Graph to it',
  50105:
    'the account is not assigned to the app: ask an administrator to assign it, or to switch "Assignment required" off',
  50020: 'the account is of another tenant: choose another account, or correct OUTLOOK_TENANT',
  700051:
    'the app may not be used like this: register http://localhost under "Mobile and desktop", or set OUTLOOK_CLIENT_SECRET',
  7000112: 'the app is switched off: ask its owner or an administrator to enable it',
  7000113: 'the app may not sign in without a secret: set OUTLOOK_CLIENT_SECRET',
  53000: CONDITIONAL_ACCESS,
  53001: CONDITIONAL_ACCESS,
  53003: CONDITIONAL_ACCESS,
  530034: CONDITIONAL_ACCESS,
  50011: 'the app has no matching redirect URI: register the redirect URI http://localhost',
}

// OAuth's error names (RFC 6749 5.2, 4.1.2.1; OpenID Connect Core 3.1.2.6).
const KINDS: Readonly<Record<string, ErrorKind>> = {
  invalid_grant: 'unauthorized',
  interaction_required: 'unauthorized',
  login_required: 'unauthorized',
  consent_required: 'unauthorized',
  access_denied: 'unauthorized',
  invalid_client: 'misconfigured',
  unauthorized_client: 'misconfigured',
  temporarily_unavailable: 'unavailable',
  server_error: 'unavailable',
}

const LONGEST_WAIT_MS = 3_600_000

/**
 * Builds the MailError for an answer without a token: `unauthorized` if the grant is dead, `misconfigured`
 * naming the settings, `throttled` and `unavailable` with the wait that the answer asks for. The message
 * holds OAuth's name and Microsoft's number, never Microsoft's text.
 */
export function loginError(answer: LoginAnswer, doing: string): MailError {
  const { status, retryAfter } = answer
  const { error, numbers } = read(answer.body)
  const known = numbers.find(number => ownOf(REMEDIES, `${number}`))
  const kind = known !== undefined ? 'misconfigured' : kindOf(status, error)
  const codes = [error, ...numbers.slice(0, 1).map(number => `AADSTS${number}`)].filter(Boolean).join(' ')
  const remedy = known !== undefined ? ownOf(REMEDIES, `${known}`) : remedyFor(kind)
  const message = `${doing}: Microsoft answered ${status}${codes ? ` ${codes}` : ''}${remedy ? `; ${remedy}` : ''}`
  const seconds = Number(retryAfter?.trim() || Number.NaN)
  return new MailError(
    kind,
    message,
    Number.isFinite(seconds) && seconds >= 0
      ? { retryAfterMs: Math.min(LONGEST_WAIT_MS, Math.ceil(seconds * 1000)) }
      : {},
  )
}

/**
 * Returns the remedy for an error text in the browser's answer, with Microsoft's number; `undefined` if the
 * text is unknown.
 */
export function consentRemedy(description: string): string | undefined {
  const { numbers } = read({ error_description: description.slice(0, 2000) })
  const known = numbers.find(number => REMEDIES[number])
  return known === undefined ? undefined : `AADSTS${known}; ${REMEDIES[known]}`
}

/** Builds the MailError for a request without an answer: `unavailable`, with only the system's error code. */
export function noAnswerError(thrown: unknown, doing: string): MailError {
  if (thrown instanceof MailError) return thrown
  // The thrown error is not attached as a cause: it may hold what was sent.
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return new MailError(
    'unavailable',
    `${doing}: no answer from Microsoft${/^[A-Z]\w+$/.test(code) ? ` (${code})` : ''}`,
  )
}

const body = z.object({
  error: z
    .string()
    .regex(/^[a-z_]{1,60}$/)
    .optional()
    .catch(undefined),
  error_codes: z.array(z.number().int()).catch([]),
  error_description: z.string().catch(''),
})

function read(given: unknown): { error: string | undefined; numbers: number[] } {
  const { data } = body.safeParse(given)
  if (!data) return { error: undefined, numbers: [] }
  const reported = /\bAADSTS(\d{4,10})\b/.exec(data.error_description)?.[1]
  return { error: data.error, numbers: [...data.error_codes, ...(reported ? [Number(reported)] : [])] }
}

function kindOf(status: number, error: string | undefined): ErrorKind {
  if (status === 429) return 'throttled'
  if (status >= 500 || status === 408) return 'unavailable'
  // Without an OAuth error name, the answer comes from a proxy or was damaged in transit.
  return error === undefined ? 'unavailable' : (ownOf(KINDS, error) ?? 'misconfigured')
}

function remedyFor(kind: ErrorKind): string | undefined {
  if (kind === 'unauthorized') return 'connect the mailbox again'
  if (kind === 'misconfigured') return 'correct OUTLOOK_CLIENT_ID, OUTLOOK_CLIENT_SECRET and OUTLOOK_TENANT'
  return undefined
}
