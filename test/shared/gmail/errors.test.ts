import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { MailError } from '../../../shared/error.ts'
import { errorOf, isNotFound, refusalOf } from '../../../shared/gmail/errors.ts'
import { networkError } from '../../../shared/http/sender.ts'
import { apiError } from './google.ts'

const NOW = Date.UTC(2026, 10, 2, 12)
const judge = (status: number, body: unknown, retryAfter?: string) =>
  errorOf({ status, body, retryAfter }, 'messages.get', { now: () => NOW })

t.test('the reason decides, not the status', async t => {
  const cases: [number, unknown, MailError['kind']][] = [
    [403, apiError(403, 'userRateLimitExceeded'), 'throttled'],
    [403, apiError(403, 'rateLimitExceeded'), 'throttled'],
    [403, apiError(403, 'dailyLimitExceeded'), 'throttled'],
    [429, apiError(429, 'rateLimitExceeded', 'Too many concurrent requests for user'), 'throttled'],
    [429, { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota exceeded' } }, 'throttled'],
    [
      403,
      { error: { code: 403, status: 'PERMISSION_DENIED', details: [{ reason: 'RATE_LIMIT_EXCEEDED' }] } },
      'throttled',
    ],
    [429, '', 'throttled'],
    [403, apiError(403, 'domainPolicy'), 'unauthorized'],
    [403, apiError(403, 'forbidden'), 'unauthorized'],
    [403, apiError(403, 'somethingNew'), 'unauthorized'],
    [403, apiError(403, 'insufficientPermissions'), 'unauthorized'],
    [403, { error: { code: 403, details: [{ reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' }] } }, 'unauthorized'],
    [403, apiError(403, 'accessNotConfigured'), 'misconfigured'],
    [401, apiError(401, 'authError'), 'unauthorized'],
    [401, '', 'unauthorized'],
    [400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }, 'unauthorized'],
    [401, { error: 'invalid_client' }, 'unauthorized'],
    [400, apiError(400, 'invalidArgument'), 'rejected'],
    [400, apiError(400, 'failedPrecondition'), 'unauthorized'],
    [404, apiError(404, 'notFound'), 'rejected'],
    [500, apiError(500, 'backendError'), 'unavailable'],
    [503, apiError(503, 'notFound'), 'unavailable'],
    [502, '<html>Bad gateway</html>', 'unavailable'],
    [403, '<html>Our systems have detected unusual traffic</html>', 'unavailable'],
    [404, '<html>Not found</html>', 'unavailable'],
    [409, apiError(409, 'conflict'), 'unavailable'],
    [400, '<html>Malformed request</html>', 'unparsable'],
    [403, apiError(404, 'notFound'), 'unparsable'],
  ]
  for (const [status, body, kind] of cases)
    t.equal(judge(status, body).kind, kind, `${status} ${JSON.stringify(body).slice(0, 70)}`)
})

t.test('account, token and request refusals differ, and carry remedies', async t => {
  const cases: [number, unknown, MailError['blames'], RegExp][] = [
    [
      400,
      apiError(400, 'failedPrecondition', 'Mail service not enabled'),
      undefined,
      /ask an administrator to turn it on/,
    ],
    [403, apiError(403, 'forbidden', 'Delegation denied for ana@example.com'), undefined, /have it delegated/],
    [403, apiError(403, 'forbidden', 'User is suspended.'), undefined, /the account is suspended/],
    [403, apiError(403, 'domainPolicy'), undefined, /ask its administrator to allow it/],
    [403, apiError(403, 'insufficientPermissions'), undefined, /connect the mailbox again/],
    [403, apiError(403, 'forbidden'), 'access', /connect the mailbox again/],
    [400, apiError(400, 'failedPrecondition', 'Precondition check failed.'), 'access', /connect the mailbox again/],
    [401, apiError(401, 'authError'), 'token', /connect the mailbox again/],
    [401, '', 'token', /connect the mailbox again/],
    [401, { error: 'deleted_client' }, undefined, /connect the mailbox again/],
    [400, { error: 'invalid_grant' }, undefined, /connect the mailbox again/],
  ]
  for (const [status, body, blames, says] of cases) {
    const error = judge(status, body)
    t.match(error, { kind: 'unauthorized', message: says })
    t.equal(error.blames, blames, error.message)
    t.notMatch(error.message, /ana@example/)
  }
})

t.test('a damaged answer is never a final refusal', async t => {
  const damaged = { error: { ' ode': 404, errors: [{ reason: 'AotFound' }] } }
  t.equal(judge(404, damaged).kind, 'unavailable')
  t.equal(judge(400, { error: { errors: [{ reason: 'invalidArgumant' }] } }).kind, 'unparsable')
})

t.test('an old history id is expired', async t => {
  const answer = { status: 404, body: apiError(404, 'notFound') }
  t.equal(errorOf(answer, 'history.list', { notFound: 'expired' }).kind, 'expired')
})

t.test('the wait is read from every place that Google uses', async t => {
  const wait = (retryAfter?: string, message?: string) =>
    judge(429, apiError(429, 'rateLimitExceeded', message), retryAfter).retryAfterMs
  t.equal(wait('3'), 3000)
  t.equal(wait('2.128'), 2128)
  t.equal(wait('Mon, 02 Nov 2026 12:00:30 GMT'), 30_000)
  t.equal(wait('Mon, 02 Nov 2026 11:00:00 GMT'), 0, 'a time in the past')
  t.equal(wait(undefined, 'User-rate limit exceeded.  Retry after 2026-11-02T12:00:05.250Z'), 5250)
  t.equal(wait(undefined, 'Rate limit exceeded. Retry after 20 seconds.'), 20_000)
  t.equal(wait('1', 'Retry after 2026-11-02T12:01:00Z'), 1000, 'the header comes first')
  t.equal(wait(undefined, 'User-rate limit exceeded.  Retry after 2026-11-02T12:00:05Z (Mail sending)'), 5000)
  t.equal(wait(undefined, 'Retry after Mon, 02 Nov 2026 12:00:30 GMT.'), 30_000)
  t.equal(wait(undefined, 'Busy; retry after 1.5 s, please.'), 1500)
  t.equal(wait('0'), 0)
  t.equal(wait('.5 s'), 500)
  t.equal(wait('soon', 'Retry after 4'), 4000, 'an unreadable header is ignored')
  t.equal(wait(undefined, 'Retry after a while'), undefined)
  t.equal(wait('soon'), undefined)
  t.equal(wait(), undefined)
  t.equal(wait('99999999'), 86_400_000, 'at most a day')
  t.equal(judge(429, { error: { code: 429, details: [{ retryDelay: '1.5s' }] } }).retryAfterMs, 1500)
  t.equal(
    judge(403, apiError(403, 'dailyLimitExceeded')).retryAfterMs,
    600_000,
    'an exhausted day is not retried every second',
  )
  t.equal(judge(503, '', '7').retryAfterMs, 7000)
})

t.test('the reason decides which limit was exceeded, or else the text', async t => {
  const refused = (status: number, body: unknown) => refusalOf({ status, body })
  const crowd = 'Too many concurrent requests for user'
  t.equal(refused(429, apiError(429, 'rateLimitExceeded', crowd)), 'concurrency')
  t.equal(refused(429, apiError(429, 'concurrentLimitExceeded')), 'concurrency')
  t.equal(refused(429, apiError(429, 'rateLimitExceeded')), 'rate')
  t.equal(refused(403, apiError(403, 'userRateLimitExceeded')), 'rate')
  t.equal(refused(403, apiError(403, 'dailyLimitExceeded')), 'rate')
  t.equal(refused(429, 'Slow down'), 'rate')
  t.equal(refused(403, apiError(403, 'domainPolicy', crowd)), undefined)
  t.equal(refused(503, apiError(503, 'backendError')), undefined)
  t.equal(refused(200, apiError(429, 'rateLimitExceeded')), undefined)
})

t.test('only the API itself can report a message as gone', async t => {
  t.ok(isNotFound({ status: 404, body: apiError(404, 'notFound') }))
  t.ok(
    isNotFound({
      status: 404,
      body: { error: { code: 404, status: 'NOT_FOUND', message: 'Requested entity was not found.' } },
    }),
  )
  t.notOk(isNotFound({ status: 404, body: '' }))
  t.notOk(isNotFound({ status: 404, body: '<html>Not found</html>' }))
  t.notOk(isNotFound({ status: 503, body: apiError(503, 'notFound') }))
  t.notOk(isNotFound({ status: 404, body: apiError(403, 'forbidden') }))
  t.notOk(isNotFound({ status: 404, body: { id: 'a', threadId: 'a' } }))
})

t.test('messages name the call, the status and the reason, and quote nothing', async t => {
  const body = apiError(400, 'invalidArgument', 'Invalid query: from:ana@example.com secret plans')
  t.equal(judge(400, body).message, 'messages.get: Google answered 400 invalidArgument')
  t.equal(
    judge(403, apiError(403, 'reason with <words>')).message,
    'messages.get: Google answered 403; connect the mailbox again',
  )
  t.equal(
    judge(400, { error: 'invalid_grant' }).message,
    'messages.get: Google answered 400 invalid_grant; connect the mailbox again',
  )
})

t.test('a call without an answer is unavailable and keeps no request', async t => {
  const thrown = Object.assign(new Error('request to https://x/?token=secret failed'), {
    code: 'ECONNRESET',
    config: { headers: 'secret' },
  })
  const error = networkError(thrown, 'messages.list', 'Google')
  t.equal(error.kind, 'unavailable')
  t.equal(error.message, 'messages.list: no answer from Google (ECONNRESET)')
  t.equal(error.cause, undefined)
  t.equal(networkError('what?', 'messages.list', 'Google').message, 'messages.list: no answer from Google')
  const known = new MailError('throttled', 'slowly')
  t.equal(networkError(known, 'messages.list', 'Google'), known)
})

// Recorded error bodies; not part of the project.
const BODIES = resolve('../shared/corpus/api/google-error-bodies.json')
const skip = existsSync(BODIES) ? false : 'needs ../shared/corpus'

t.test('recorded error bodies get the right kinds', { skip }, async t => {
  const bodies: Record<string, { httpStatus: number; body: unknown }> = JSON.parse(readFileSync(BODIES, 'utf8'))
  const kinds = Object.entries(bodies).map(([name, { httpStatus, body }]) => [name, judge(httpStatus, body).kind])
  t.match(Object.fromEntries(kinds), {
    'userRateLimitExceeded-no-status': 'throttled',
    'userRateLimitExceeded-with-status': 'throttled',
    rateLimitExceeded: 'throttled',
    accessNotConfigured: 'misconfigured',
    'gmail-404-part': 'rejected',
    'gmail-429-concurrent': 'throttled',
    'java-error': 'rejected',
    'java-errorWithReasonInDetails': 'rejected',
  })
  const gone = bodies['gmail-404-part']
  t.ok(gone && isNotFound({ status: gone.httpStatus, body: gone.body }))
})
