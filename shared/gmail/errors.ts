import { z } from 'zod'
import { type Blame, type ErrorKind, MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { waitIn } from '../http/retry-after.ts'
import { ownOf } from '../own.ts'
import type { Refusal } from '../provider/quota.ts'

/** How an answer is judged where the answer alone does not say: the time for dates in it, and what a 404 of the API means. */
export interface Judging {
  now?: () => number
  notFound?: 'rejected' | 'expired'
}

// Reasons of the classic error format, of google.rpc.ErrorInfo, google.rpc.Code names and OAuth error codes, in lower case without
// underscores, for Google spells the same one in several ways. What each means: developers.google.com/gmail/api/guides/handle-errors
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

const DAILY_LIMIT_WAIT_MS = 10 * 60_000

const REMEDIES: Partial<Record<ErrorKind, string>> = {
  unauthorized: 'connect the mailbox again',
  misconfigured: 'enable the Gmail API for the Cloud project of GMAIL_CLIENT_ID',
}

// Google has no reasons of its own for what refuses an account as a whole, only words; the domain's policy has one.
const ACCOUNT_REFUSALS: readonly { words: readonly RegExp[]; remedy: string }[] = [
  {
    words: [/mail service (is )?not enabled/i],
    remedy: 'Gmail is off for this account: an administrator has to turn it on, or remove the mailbox here',
  },
  {
    words: [/delegation denied/i],
    remedy: 'this account may not read the mailbox: have it delegated, or connect the mailbox itself',
  },
  {
    words: [/\b(account|user)\b/i, /\b(suspended|disabled|deleted)\b/i],
    remedy: 'the account is suspended or gone: its administrator has to restore it',
  },
  {
    words: [/^domainPolicy$/i],
    remedy: 'the domain does not let this app read mail: its administrator has to allow it',
  },
]
// Google's own have some hundred characters.
const LONGEST_MESSAGE = 2000
const LONGEST_TIME = 60
const OF_ONE_REQUEST = new Set(['forbidden', 'failedprecondition'])

/**
 * The MailError of an answer that is not a success, judged by Google's reason and by the status only where no reason is known;
 * `doing` names the call. The message holds the status and the reason, never Google's words, which may quote the request.
 */
export function errorOf(answer: Answer, doing: string, judging: Judging = {}): MailError {
  const { now = Date.now, notFound = 'rejected' } = judging
  const said = readError(answer.body)
  const kind = kindOf(answer, said, notFound)
  const reason = said.reasons[0]
  const refusal = kind === 'unauthorized' ? accountRefusal(answer, said) : undefined
  const remedy = refusal?.remedy ?? REMEDIES[kind]
  const message = `${doing}: Google answered ${answer.status}${reason ? ` ${reason}` : ''}${remedy ? `; ${remedy}` : ''}`
  const asked = retryAfterMs(answer.retryAfter, said, now())
  const wait = asked ?? (kind === 'throttled' && reason === 'dailyLimitExceeded' ? DAILY_LIMIT_WAIT_MS : undefined)
  return new MailError(kind, message, {
    blames: kind === 'unauthorized' && !refusal ? blameOf(answer, said) : undefined,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  })
}

function accountRefusal({ status }: Answer, { message, reasons }: Said) {
  if (status === 401) return undefined
  return ACCOUNT_REFUSALS.find(({ words }) => [message, ...reasons].some(text => says(text, words)))
}

// The token endpoint's word is on the grant; an API's 401 is on the access token, and its 403 on this request.
function blameOf({ status }: Answer, { reasons, ofGrant }: Said): Blame | undefined {
  if (ofGrant) return undefined
  if (status === 401) return 'token'
  const known = reasons.map(plain).filter(reason => ownOf(REASONS, reason) === 'unauthorized')
  return known.every(reason => OF_ONE_REQUEST.has(reason)) ? 'access' : undefined
}

/**
 * Which limit an answer says was met, if it says so. The limit on requests at once has no reason of its own, only words: "Too many
 * concurrent requests for user" (developers.google.com/gmail/api/guides/handle-errors).
 */
export function refusalOf(answer: Answer): Refusal | undefined {
  if (answer.status < 400) return undefined
  const said = readError(answer.body)
  if (kindOf(answer, said, 'rejected') !== 'throttled') return undefined
  const isCrowd = said.reasons.some(reason => plain(reason) === 'concurrentlimitexceeded')
  return isCrowd || /\bconcurrent\b/i.test(said.message) ? 'concurrency' : 'rate'
}

/** Whether the API itself says that what was asked for does not exist; a 404 page of anything in between says no such thing. */
export function isNotFound({ status, body }: Answer): boolean {
  if (status !== 404) return false
  const { code, reasons } = readError(body)
  if (code !== undefined && code !== 404) return false
  return code === 404 || reasons.some(reason => plain(reason) === 'notfound')
}

/** Google's own words in an answer, to be looked at and never repeated; empty where it has none. */
export function wordsIn({ body }: Answer): string {
  return readError(body).message.slice(0, 1000)
}

/** Whether a search was refused because of the scope; Google has no reason of its own for it, only words: "Metadata scope does not support 'q' parameter". */
export function isSearchRefused({ status, body }: Answer): boolean {
  return status === 403 && says(readError(body).message, [/metadata scope /i, /\bq\b/i])
}

interface Said {
  code: number | undefined
  /** It is the word of OAuth's token endpoint. */
  ofGrant: boolean
  /** It is a whole error of Google's, whether its reason is known or not. */
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

function readError(body: unknown): Said {
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

function kindOf({ status, body }: Answer, { code, whole, reasons }: Said, notFound: ErrorKind): ErrorKind {
  const kinds = reasons.map(reason => ownOf(REASONS, plain(reason)))
  if (kinds.includes('throttled') || status === 429) return 'throttled'
  if (status >= 500 || status === 408) return 'unavailable'
  // An answer that contradicts itself was damaged on its way.
  if (code !== undefined && code !== status) return 'unparsable'
  const known = kinds.find(kind => kind !== undefined)
  if (known) return known
  if (status === 401) return 'unauthorized'
  if (isNotFound({ status, body })) return notFound
  if (status === 409) return 'unavailable'
  // Whatever the reason, it is the access that is refused.
  if (whole) return status === 403 ? 'unauthorized' : 'rejected'
  // Without a whole word of the API's it was damaged, or comes from something in between: a 403 or 404 page, or one that sends us elsewhere, says nothing about the mail.
  const isBetween = [403, 404, 407].includes(status) || (status >= 300 && status < 400 && status !== 304)
  return isBetween ? 'unavailable' : 'unparsable'
}

function retryAfterMs(header: string | undefined, { message, retryDelay }: Said, now: number): number | undefined {
  return waitIn(header, now) ?? waitIn(retryDelay, now) ?? waitIn(timeTold(message), now)
}

// What follows the time in a message is said of something else, "(Mail sending)" for instance.
function timeTold(message: string): string | undefined {
  for (const { 0: words, index } of message.matchAll(/retry after:?\s+/gi)) {
    const rest = message.slice(index + words.length).slice(0, LONGEST_TIME)
    const [reported] = /^(?:\d\S*(?:\s+s(?:ec(?:ond)?s?)?\b)?|[A-Z][a-z]{2}, .*?GMT)/i.exec(rest) ?? []
    if (reported !== undefined) return reported.replace(/(?<![.,;])[.,;]+$/, '')
  }
  return undefined
}

// Whether all these words are in a text, one after the other.
function says(text: string, words: readonly RegExp[]): boolean {
  let rest = text
  return words.every(word => {
    const { 0: found = '', index = -1 } = word.exec(rest) ?? {}
    rest = rest.slice(index + found.length)
    return index >= 0
  })
}

// A reason is repeated in messages only where it looks like one.
function namesIn(texts: readonly (string | undefined)[]): string[] {
  return texts.filter((text): text is string => text !== undefined && /^[A-Za-z]\w{1,59}$/.test(text))
}

function plain(reason: string): string {
  return reason.replaceAll('_', '').toLowerCase()
}
