import { z } from 'zod'
import { type Blame, type ErrorKind, MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { waitIn } from '../http/retry-after.ts'
import { MACHINE } from '../machine.ts'
import { ownOf } from '../own.ts'
import type { Refusal, Spent } from '../provider/quota.ts'

/** Context for judging an answer: the time for dates in it, and the meaning of a missing resource. */
export interface Judging {
  now?: () => number
  notFound?: 'rejected' | 'expired'
}

// Graph's codes and the underlying Exchange codes, in lower case (learn.microsoft.com/graph/errors and, for the
// codes that begin with Error,
// learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode).
const CODES: Readonly<Record<string, ErrorKind>> = {
  applicationthrottled: 'throttled',
  toomanyrequests: 'throttled',
  activitylimitreached: 'throttled',
  errorexceededconnectioncount: 'throttled',
  syncstatenotfound: 'expired',
  syncstateinvalid: 'expired',
  resyncrequired: 'expired',
  errorsyncfoldernotfound: 'expired',
  errorinvalidsyncstatedata: 'expired',
  invalidauthenticationtoken: 'unauthorized',
  unauthenticated: 'unauthorized',
  erroraccessdenied: 'unauthorized',
  accessdenied: 'unauthorized',
  authorization_requestdenied: 'unauthorized',
  authorization_identitynotfound: 'unauthorized',
  erroraccountdisabled: 'unauthorized',
  erroraccountsuspend: 'unauthorized',
  erroraccountsuspendshowtierupgrade: 'unauthorized',
  errorinvaliduser: 'unauthorized',
  request_resourcenotfound: 'unauthorized',
  resourcenotfound: 'unauthorized',
  mailboxnotenabledforrestapi: 'unauthorized',
  mailboxnothostedinexchangeonline: 'unauthorized',
  errornonexistentmailbox: 'unauthorized',
  mailboxnotsupportedforrestapi: 'unauthorized',
  servicenotavailable: 'unavailable',
  serviceunavailable: 'unavailable',
  generalexception: 'unavailable',
  internalservererror: 'unavailable',
  errorinternalservererror: 'unavailable',
  errorinternalservertransienterror: 'unavailable',
  errorserverbusy: 'unavailable',
  errortimeoutexpired: 'unavailable',
  errormailboxmoveinprogress: 'unavailable',
  errormailboxstoreunavailable: 'unavailable',
}

const NOT_FOUND = new Set(['erroritemnotfound', 'itemnotfound', 'errorfoldernotfound', 'notfound'])

// Timed out, in conflict, locked, or undone because another request of its batch failed: a retry may succeed.
const RETRYABLE = new Set([408, 409, 423, 424])
// Statuses that proxies answer themselves.
const PROXY_STATUSES = new Set([403, 404, 407])

const REMEDY = 'check that the mailbox exists and the app may read it, then connect it again'
// learn.microsoft.com/graph/api/user-get takes an id or a user principal name.
const NO_USER =
  'no user of the tenant has this name; use the user principal name if the mail address differs, and check that the app may read the mailbox'
// Remedies for accounts that are refused as a whole.
const REMEDIES: Readonly<Record<string, string>> = {
  errorinvaliduser: NO_USER,
  request_resourcenotfound: NO_USER,
  mailboxnotenabledforrestapi: 'give the user a licence with an Exchange Online mailbox, or enable the mailbox',
  mailboxnotsupportedforrestapi: 'give the user a licence with an Exchange Online mailbox, or enable the mailbox',
  mailboxnothostedinexchangeonline: 'the mailbox is not in Exchange Online; move it there, or remove it here',
  erroraccountdisabled: 'the account is disabled; ask an administrator to enable it',
  erroraccountsuspend: 'the account is suspended; its owner must sign in at Outlook and restore it',
  erroraccountsuspendshowtierupgrade: 'the account is suspended; its owner must sign in at Outlook and restore it',
}
// A refusal with one of these codes concerns only its request.
const OF_ONE_REQUEST = new Set(['erroraccessdenied', 'accessdenied', 'authorization_requestdenied'])

const errorSchema = z.object({
  code: z.string().catch(''),
  message: z.string().catch(''),
  innerError: z.unknown().optional(),
  innererror: z.unknown().optional(),
})
const errorBody = z.object({ error: errorSchema })
// learn.microsoft.com/graph/errors: errors are nested, from the general to the exact one.
const DEEPEST = 5

/**
 * Builds the MailError for an unsuccessful answer. Graph's code decides; the status decides only if no code
 * is known. `doing` names the call. The message holds the status and the code, never Graph's text, which may
 * quote the request.
 */
export function errorOf(answer: Answer, doing: string, judging: Judging = {}): MailError {
  const { now = MACHINE.date, notFound = 'rejected' } = judging
  const parsed = readError(answer.body)
  const kind = kindOf(answer, parsed, notFound)
  const remedy = kind === 'unauthorized' ? remedyFor(parsed) : undefined
  const code = parsed.codes[0]
  const message = `${doing}: Microsoft answered ${answer.status}${code ? ` ${code}` : ''}${remedy ? `; ${remedy}` : ''}`
  const wait = waitIn(answer.retryAfter, now())
  return new MailError(kind, message, {
    blames: kind === 'unauthorized' ? blameOf(answer, parsed) : undefined,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  })
}

function remedyFor({ codes }: GraphErrorBody): string {
  return codes.map(code => ownOf(REMEDIES, code.toLowerCase())).find(remedy => remedy !== undefined) ?? REMEDY
}

function blameOf({ status }: Answer, { codes }: GraphErrorBody): Blame | undefined {
  const known = codes.map(code => code.toLowerCase()).filter(code => ownOf(CODES, code) === 'unauthorized')
  if (status === 401) return known.some(code => ownOf(REMEDIES, code)) ? undefined : 'token'
  return known.every(code => OF_ONE_REQUEST.has(code)) ? 'access' : undefined
}

/**
 * Whether Graph itself reports that the requested resource does not exist. A 404 page of a proxy does not
 * count.
 */
export function isNotFound({ status, body }: Answer): boolean {
  return status === 404 && readError(body).codes.some(code => NOT_FOUND.has(code.toLowerCase()))
}

/**
 * Returns the quota effect of requests that were sent together; refused requests count too
 * (learn.microsoft.com/graph/throttling). The longest wait that any of them asks for applies to the whole
 * mailbox, whether it was throttled or failed.
 */
export function spentOn(answers: readonly Answer[], now: () => number): Spent {
  const refusals = answers.flatMap(answer => refusalOf(answer) ?? [])
  const asked = answers.flatMap(answer => (answer.status >= 400 ? (waitIn(answer.retryAfter, now()) ?? []) : []))
  return {
    units: answers.length,
    ...(refusals.length === 0 ? {} : { refused: refusals.includes('rate') ? 'rate' : 'concurrency' }),
    ...(asked.length === 0 ? {} : { retryAfterMs: Math.max(...asked) }),
  }
}

function refusalOf(answer: Answer): Refusal | undefined {
  const parsed = readError(answer.body)
  if (answer.status < 400 || kindOf(answer, parsed, 'rejected') !== 'throttled') return undefined
  return parsed.codes.some(code => /concurrency/i.test(code)) || /concurrency/i.test(parsed.message)
    ? 'concurrency'
    : 'rate'
}

interface GraphErrorBody {
  codes: string[]
  message: string
}

function readError(body: unknown): GraphErrorBody {
  const error = errorBody.safeParse(body).data?.error
  if (!error) return { codes: [], message: '' }
  const codes: string[] = []
  let message = ''
  let at: z.infer<typeof errorSchema> | undefined = error
  for (let depth = 0; at && depth < DEEPEST; depth++) {
    // Messages repeat a code only if it looks like one.
    if (/^[A-Za-z]\w{1,59}$/.test(at.code)) codes.push(at.code)
    message += ` ${at.message}`
    at = errorSchema.safeParse(at.innerError ?? at.innererror).data
  }
  return { codes, message }
}

function kindOf({ status, body }: Answer, { codes }: GraphErrorBody, notFound: ErrorKind): ErrorKind {
  const kinds = codes.map(code => ownOf(CODES, code.toLowerCase()))
  if (status === 429 || status === 509 || kinds.includes('throttled')) return 'throttled'
  if (status === 410) return 'expired'
  if (status >= 500 || RETRYABLE.has(status)) return 'unavailable'
  const known = kinds.find(kind => kind !== undefined)
  if (known) return known
  if (status === 401) return 'unauthorized'
  if (isNotFound({ status, body })) return notFound
  // A 403 with any code refuses access, even with an unknown code.
  if (codes.length > 0) return status === 403 ? 'unauthorized' : 'rejected'
  // Without a Graph error, the answer was damaged or comes from a proxy: a sign-in page says nothing about the
  // mail.
  return status < 400 || PROXY_STATUSES.has(status) ? 'unavailable' : 'unparsable'
}
