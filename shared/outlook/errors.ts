import { z } from 'zod'
import { type Blame, type ErrorKind, MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { waitIn } from '../http/retry-after.ts'
import { ownOf } from '../own.ts'
import type { Refusal, Spent } from '../provider/quota.ts'

/** How an answer is judged where the answer alone does not say: the time for dates in it, and what it means that something is not there. */
export interface Judging {
  now?: () => number
  notFound?: 'rejected' | 'expired'
}

// Graph's codes and Exchange's beneath them, in lower case (learn.microsoft.com/graph/errors and, for the codes that begin with Error,
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

// Timed out, in conflict, locked, or undone because another request of its batch failed: it may go well the next time.
const PASSING = new Set([408, 409, 423, 424])
// What proxies answer on their own account.
const BETWEEN = new Set([403, 404, 407])

const REMEDY = 'see that the mailbox exists and the app may read it, and connect it again'
// learn.microsoft.com/graph/api/user-get takes an id or a user principal name.
const NO_USER =
  'no user of the tenant has this name: write the user principal name where the mail address is another, and see that the app may read the mailbox'
// What the person can do about an account that is refused as a whole.
const REMEDIES: Readonly<Record<string, string>> = {
  errorinvaliduser: NO_USER,
  request_resourcenotfound: NO_USER,
  mailboxnotenabledforrestapi: 'give the user a licence with an Exchange Online mailbox, or enable the mailbox',
  mailboxnotsupportedforrestapi: 'give the user a licence with an Exchange Online mailbox, or enable the mailbox',
  mailboxnothostedinexchangeonline: 'the mailbox is not in Exchange Online: move it there, or remove it here',
  erroraccountdisabled: 'the account is disabled: an administrator has to enable it',
  erroraccountsuspend: 'the account is suspended: its owner has to sign in at Outlook and restore it',
  erroraccountsuspendshowtierupgrade: 'the account is suspended: its owner has to sign in at Outlook and restore it',
}
// One request that is refused with these says nothing of others.
const OF_ONE_REQUEST = new Set(['erroraccessdenied', 'accessdenied', 'authorization_requestdenied'])

const errorSchema = z.object({
  code: z.string().catch(''),
  message: z.string().catch(''),
  innerError: z.unknown().optional(),
  innererror: z.unknown().optional(),
})
const errorBody = z.object({ error: errorSchema })
// learn.microsoft.com/graph/errors: errors lie within errors, the more exact within the less exact.
const DEEPEST = 5

/**
 * The MailError of an answer that is not a success, judged by Graph's code and by the status only where no code is known; `doing` names
 * the call. The message holds the status and the code, never Graph's words, which may quote the request.
 */
export function errorOf(answer: Answer, doing: string, judging: Judging = {}): MailError {
  const { now = Date.now, notFound = 'rejected' } = judging
  const said = readError(answer.body)
  const kind = kindOf(answer, said, notFound)
  const remedy = kind === 'unauthorized' ? remedyFor(said) : undefined
  const code = said.codes[0]
  const message = `${doing}: Microsoft answered ${answer.status}${code ? ` ${code}` : ''}${remedy ? `; ${remedy}` : ''}`
  const wait = waitIn(answer.retryAfter, now())
  return new MailError(kind, message, {
    blames: kind === 'unauthorized' ? blameOf(answer, said) : undefined,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  })
}

function remedyFor({ codes }: Said): string {
  return codes.map(code => ownOf(REMEDIES, code.toLowerCase())).find(remedy => remedy !== undefined) ?? REMEDY
}

function blameOf({ status }: Answer, { codes }: Said): Blame | undefined {
  const known = codes.map(code => code.toLowerCase()).filter(code => ownOf(CODES, code) === 'unauthorized')
  if (status === 401) return known.some(code => ownOf(REMEDIES, code)) ? undefined : 'token'
  return known.every(code => OF_ONE_REQUEST.has(code)) ? 'access' : undefined
}

/** Whether Graph itself says that what was asked for does not exist; a 404 page of anything in between says no such thing. */
export function isNotFound({ status, body }: Answer): boolean {
  return status === 404 && readError(body).codes.some(code => NOT_FOUND.has(code.toLowerCase()))
}

/**
 * What requests that were sent together did to the quota; what was refused counts as well (learn.microsoft.com/graph/throttling). How long any
 * of them asks to wait, be it throttled or out of order, holds for the mailbox: the longest.
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
  const said = readError(answer.body)
  if (answer.status < 400 || kindOf(answer, said, 'rejected') !== 'throttled') return undefined
  return said.codes.some(code => /concurrency/i.test(code)) || /concurrency/i.test(said.message)
    ? 'concurrency'
    : 'rate'
}

interface Said {
  codes: string[]
  message: string
}

function readError(body: unknown): Said {
  const error = errorBody.safeParse(body).data?.error
  if (!error) return { codes: [], message: '' }
  const codes: string[] = []
  let message = ''
  let at: z.infer<typeof errorSchema> | undefined = error
  for (let depth = 0; at && depth < DEEPEST; depth++) {
    // A code is repeated in messages only where it looks like one.
    if (/^[A-Za-z]\w{1,59}$/.test(at.code)) codes.push(at.code)
    message += ` ${at.message}`
    at = errorSchema.safeParse(at.innerError ?? at.innererror).data
  }
  return { codes, message }
}

function kindOf({ status, body }: Answer, { codes }: Said, notFound: ErrorKind): ErrorKind {
  const kinds = codes.map(code => ownOf(CODES, code.toLowerCase()))
  if (status === 429 || status === 509 || kinds.includes('throttled')) return 'throttled'
  if (status === 410) return 'expired'
  if (status >= 500 || PASSING.has(status)) return 'unavailable'
  const known = kinds.find(kind => kind !== undefined)
  if (known) return known
  if (status === 401) return 'unauthorized'
  if (isNotFound({ status, body })) return notFound
  // Whatever the code, it is the access that is refused.
  if (codes.length > 0) return status === 403 ? 'unauthorized' : 'rejected'
  // Without a word of Graph's it was damaged, or comes from something in between: a sign-in page says nothing about the mail.
  return status < 400 || BETWEEN.has(status) ? 'unavailable' : 'unparsable'
}
