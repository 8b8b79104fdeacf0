import { z } from 'zod'
import { type Blame, type ErrorKind, MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { waitIn } from '../http/retry-after.ts'
import { MACHINE } from '../machine.ts'
import { ownOf } from '../own.ts'
import type { Refusal } from '../provider/quota.ts'
import { accountRefusal, containsInOrder } from './account-refusal.ts'

/** Context for judging an answer: the time for dates in it, and the meaning of a 404 from the API. */
export interface Judging {
  now?: () => number
  notFound?: 'rejected' | 'expired'
}

// Reasons of the classic error format, of google.rpc.ErrorInfo, google.rpc.Code names and OAuth error codes.
// They are in lower case without underscores, because Google spells the same one in several ways. Their
// meanings: developers.google.com/gmail/api/guides/handle-errors
const REASONS: Readonly<Record<string, ErrorKind>> = {
  ratelimitexceeded: 'throttled',
  userratelimitexceeded: 'throttled',
  dailylimitexceeded: 'throttled',
  concurrentlimitexceeded: 'throttled',
  quotaexceeded: 'throttled',
  resourceexhausted: 'throttled',
  backenderror: 'unavailable',
  internalerror: 'unavailable',
  internalfailure: 'unavailable',
  servererror: 'unavailable',
  temporarilyunavailable: 'unavailable',
  unavailable: 'unavailable',
  deadlineexceeded: 'unavailable',
  aborted: 'unavailable',
  autherror: 'unauthorized',
  unauthenticated: 'unauthorized',
  invalidgrant: 'unauthorized',
  invalidclient: 'unauthorized',
  unauthorizedclient: 'unauthorized',
  accessdenied: 'unauthorized',
  adminpolicyenforced: 'unauthorized',
  insufficientpermissions: 'unauthorized',
  accesstokenscopeinsufficient: 'unauthorized',
  accessnotconfigured: 'misconfigured',
  servicedisabled: 'misconfigured',
  domainpolicy: 'unauthorized',
  forbidden: 'unauthorized',
  failedprecondition: 'unauthorized',
}

const NO_TEXTS =
  'the scope gmail.metadata shows no texts; connect the mailbox with gmail.readonly, or set MESSAGE_BODY=snippet'
const DAILY_LIMIT_WAIT_MS = 10 * 60_000

const REMEDIES: Partial<Record<ErrorKind, string>> = {
  unauthorized: 'connect the mailbox again',
  misconfigured: 'enable the Gmail API for the Cloud project of GMAIL_CLIENT_ID',
}

// Google's own messages have about a hundred characters.
const LONGEST_MESSAGE = 2000
const LONGEST_TIME = 60
const OF_ONE_REQUEST = new Set(['forbidden', 'failedprecondition'])

/**
 * Builds the MailError for an unsuccessful answer. Google's reason decides; the status decides only if no
 * reason is known. `doing` names the call. The message holds the status and the reason, never Google's text,
 * which may quote the request.
 */
export function errorOf(answer: Answer, doing: string, judging: Judging = {}): MailError {
  const { now = MACHINE.date, notFound = 'rejected' } = judging
  if (isFormatRefused(answer)) return new MailError('misconfigured', `${doing}: ${NO_TEXTS}`)
  const parsed = readError(answer.body)
  const kind = kindOf(answer, parsed, notFound)
  const reason = parsed.reasons[0]
  const refusal =
    kind === 'unauthorized' ? accountRefusal(answer.status, [parsed.message, ...parsed.reasons]) : undefined
  const remedy = refusal?.remedy ?? REMEDIES[kind]
  const message = `${doing}: Google answered ${answer.status}${reason ? ` ${reason}` : ''}${remedy ? `; ${remedy}` : ''}`
  const asked = retryAfterMs(answer.retryAfter, parsed, now())
  const wait = asked ?? (kind === 'throttled' && reason === 'dailyLimitExceeded' ? DAILY_LIMIT_WAIT_MS : undefined)
  return new MailError(kind, message, {
    blames: kind === 'unauthorized' && !refusal ? blameOf(answer, parsed) : undefined,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  })
}

// An error of the token endpoint concerns the grant. An API's 401 concerns the access token, and its 403 this
// request.
function blameOf({ status }: Answer, { reasons, ofGrant }: GoogleErrorBody): Blame | undefined {
  if (ofGrant) return undefined
  if (status === 401) return 'token'
  const known = reasons.map(plain).filter(reason => ownOf(REASONS, reason) === 'unauthorized')
  return known.every(reason => OF_ONE_REQUEST.has(reason)) ? 'access' : undefined
}

/**
 * Returns the limit that an answer reports as exceeded, if any. The limit on concurrent requests has no
 * reason code, only the text "Too many concurrent requests for user"
 * (developers.google.com/gmail/api/guides/handle-errors).
 */
export function refusalOf(answer: Answer): Refusal | undefined {
  if (answer.status < 400) return undefined
  const parsed = readError(answer.body)
  if (kindOf(answer, parsed, 'rejected') !== 'throttled') return undefined
  const isCrowd = parsed.reasons.some(reason => plain(reason) === 'concurrentlimitexceeded')
  return isCrowd || /\bconcurrent\b/i.test(parsed.message) ? 'concurrency' : 'rate'
}

/**
 * Whether the API itself reports that the requested resource does not exist. A 404 page of a proxy does not
 * count.
 */
export function isNotFound({ status, body }: Answer): boolean {
  if (status !== 404) return false
  const { code, reasons } = readError(body)
  if (code !== undefined && code !== 404) return false
  return code === 404 || reasons.some(reason => plain(reason) === 'notfound')
}

/** Returns Google's error text, for inspection only and never to be repeated; empty if there is none. */
export function errorText({ body }: Answer): string {
  return readError(body).message.slice(0, 1000)
}

/**
 * Whether a search was refused because of the scope. Google has no reason code for it, only the text
 * "Metadata scope does not support 'q' parameter".
 */
export function isSearchRefused({ status, body }: Answer): boolean {
  return status === 403 && containsInOrder(readError(body).message, [/metadata scope /i, /\bq\b/i])
}

// Google has no reason code for it either, only the text "Metadata scope doesn't allow format FULL".
function isFormatRefused({ status, body }: Answer): boolean {
  return status === 403 && containsInOrder(readError(body).message, [/metadata scope /i, /\bformat\b/i])
}

interface GoogleErrorBody {
  code: number | undefined
  /** The answer is from OAuth's token endpoint. */
  ofGrant: boolean
  /** The answer is a complete Google error, with a known or unknown reason. */
  whole: boolean
  reasons: string[]
  message: string
  retryDelay: string | undefined
}

const apiError = z.object({
  error: z.object({
    code: z.number().optional().catch(undefined),
    message: z.string().catch(''),
    status: z.string().optional().catch(undefined),
    errors: z.array(z.object({ reason: z.string().optional().catch(undefined) })).catch([]),
    details: z
      .array(
        z.object({
          reason: z.string().optional().catch(undefined),
          retryDelay: z.string().optional().catch(undefined),
        }),
      )
      .catch([]),
  }),
})
const oauthError = z.object({ error: z.string() })

function readError(body: unknown): GoogleErrorBody {
  const oauth = oauthError.safeParse(body).data
  if (oauth)
    return {
      code: undefined,
      ofGrant: true,
      whole: true,
      reasons: namesIn([oauth.error]),
      message: '',
      retryDelay: undefined,
    }
  const error = apiError.safeParse(body).data?.error
  if (!error) return { code: undefined, ofGrant: false, whole: false, reasons: [], message: '', retryDelay: undefined }
  const reasons = [...error.errors, ...error.details].map(({ reason }) => reason)
  return {
    code: error.code,
    ofGrant: false,
    whole: error.code !== undefined,
    reasons: namesIn([...reasons, error.status]),
    message: error.message.slice(0, LONGEST_MESSAGE),
    retryDelay: error.details.find(detail => detail.retryDelay)?.retryDelay,
  }
}

function kindOf({ status, body }: Answer, { code, whole, reasons }: GoogleErrorBody, notFound: ErrorKind): ErrorKind {
  const kinds = reasons.map(reason => ownOf(REASONS, plain(reason)))
  if (kinds.includes('throttled') || status === 429) return 'throttled'
  if (status >= 500 || status === 408) return 'unavailable'
  // An answer that contradicts itself was damaged in transit.
  if (code !== undefined && code !== status) return 'unparsable'
  const known = kinds.find(kind => kind !== undefined)
  if (known) return known
  if (status === 401) return 'unauthorized'
  if (isNotFound({ status, body })) return notFound
  if (status === 409) return 'unavailable'
  // A complete 403 refuses access, even with an unknown reason.
  if (whole) return status === 403 ? 'unauthorized' : 'rejected'
  // Without a complete API error, the answer was damaged or comes from a proxy. A 403, 404 or redirect page
  // says nothing about the mail.
  const isBetween = [403, 404, 407].includes(status) || (status >= 300 && status < 400 && status !== 304)
  return isBetween ? 'unavailable' : 'unparsable'
}

function retryAfterMs(
  header: string | undefined,
  { message, retryDelay }: GoogleErrorBody,
  now: number,
): number | undefined {
  return waitIn(header, now) ?? waitIn(retryDelay, now) ?? waitIn(timeInMessage(message), now)
}

// Text after the time describes something else, such as "(Mail sending)".
function timeInMessage(message: string): string | undefined {
  for (const { 0: words, index } of message.matchAll(/retry after:?\s+/gi)) {
    const rest = message.slice(index + words.length).slice(0, LONGEST_TIME)
    const [reported] = /^(?:\d\S*(?:\s+s(?:ec(?:ond)?s?)?\b)?|[A-Z][a-z]{2}, .*?GMT)/i.exec(rest) ?? []
    if (reported !== undefined) return reported.replace(/(?<![.,;])[.,;]+$/, '')
  }
  return undefined
}

// Messages repeat a reason only if it looks like one.
function namesIn(texts: readonly (string | undefined)[]): string[] {
  return texts.filter((text): text is string => text !== undefined && /^[A-Za-z]\w{1,59}$/.test(text))
}

function plain(reason: string): string {
  return reason.replaceAll('_', '').toLowerCase()
}
