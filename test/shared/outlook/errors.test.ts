import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { Answer } from '../../../shared/http/answer.ts'
import { errorOf, isNotFound, spentOn } from '../../../shared/outlook/errors.ts'
import { graphError } from './graph.ts'

const NOW = Date.parse('2026-11-23T10:00:00Z')
const now = () => NOW
const answer = (status: number, body?: unknown, retryAfter?: string): Answer => ({ status, body, retryAfter })
const kindOf = (status: number, body?: unknown) => errorOf(answer(status, body), 'asking', { now }).kind

t.test('a known code decides, else the status', async t => {
  const kinds: [number, unknown, string][] = [
    [429, graphError('TooManyRequests', '', '429'), 'throttled'],
    [429, '<html>', 'throttled'],
    [503, graphError('ApplicationThrottled'), 'throttled'],
    [403, graphError('activityLimitReached'), 'throttled'],
    [410, graphError('SyncStateNotFound'), 'expired'],
    [410, '', 'expired'],
    [404, graphError('syncStateNotFound'), 'expired'],
    [400, graphError('ErrorInvalidSyncStateData'), 'expired'],
    [400, graphError('BadRequest', '', 'SyncStateInvalid'), 'expired'],
    [401, graphError('InvalidAuthenticationToken'), 'unauthorized'],
    [401, '', 'unauthorized'],
    [403, graphError('ErrorAccessDenied'), 'unauthorized'],
    [404, graphError('MailboxNotEnabledForRESTAPI'), 'unauthorized'],
    [404, graphError('Request_ResourceNotFound'), 'unauthorized'],
    [404, graphError('ErrorItemNotFound'), 'rejected'],
    [400, graphError('ErrorInvalidIdMalformed'), 'rejected'],
    [400, graphError('ErrorServerBusy'), 'unavailable'],
    [408, '', 'unavailable'],
    [409, graphError('ErrorIrresolvableConflict'), 'unavailable'],
    [424, graphError('FailedDependency'), 'unavailable'],
    [500, graphError('ErrorAccessDenied'), 'unavailable'],
    [503, '<html>', 'unavailable'],
    [504, '', 'unavailable'],
  ]
  for (const [status, body, kind] of kinds) t.equal(kindOf(status, body), kind, `${status} ${JSON.stringify(body)}`)
})

t.test('account, token and request refusals differ, and carry remedies', async t => {
  const cases: [number, unknown, string | undefined, RegExp][] = [
    [404, graphError('MailboxNotEnabledForRESTAPI'), undefined, /give the user a licence/],
    [403, graphError('ErrorAccountSuspend'), undefined, /the account is suspended/],
    [401, graphError('ErrorAccountDisabled'), undefined, /the account is disabled/],
    [404, graphError('ErrorInvalidUser'), undefined, /use the user principal name/],
    [403, graphError('ErrorAccessDenied'), 'access', /then connect it again/],
    [403, graphError('ErrorSomethingNew'), 'access', /then connect it again/],
    [401, graphError('InvalidAuthenticationToken'), 'token', /then connect it again/],
    [401, '', 'token', /then connect it again/],
  ]
  for (const [status, body, blames, says] of cases) {
    const error = errorOf(answer(status, body), 'asking', { now })
    t.match(error, { kind: 'unauthorized', message: says })
    t.equal(error.blames, blames, error.message)
  }
})

t.test("a proxy's answer says nothing about the mail", async t => {
  for (const status of [301, 302, 307, 403, 404, 407])
    t.equal(kindOf(status, '<html>sign in</html>'), 'unavailable', `${status}`)
  for (const status of [400, 418]) t.equal(kindOf(status, '<html>'), 'unparsable', `${status}`)
})

t.test('nested codes are found at a limited depth', async t => {
  const nested = (depth: number): object => ({
    code: 'Odd',
    innererror: depth > 0 ? nested(depth - 1) : { code: 'SyncStateNotFound' },
  })
  t.equal(kindOf(400, { error: nested(2) }), 'expired')
  t.equal(kindOf(400, { error: nested(2000) }), 'rejected')
  t.equal(kindOf(400, { error: { code: 'Odd', innerError: { code: 7 } } }), 'rejected')
  t.equal(
    kindOf(400, { error: { innerError: { code: 'SyncStateNotFound' } } }),
    'expired',
    'the outer error may have none',
  )
})

t.test('only Graph itself can report a message as gone', async t => {
  t.ok(isNotFound(answer(404, graphError('ErrorItemNotFound'))))
  t.ok(isNotFound(answer(404, graphError('itemNotFound'))))
  t.ok(isNotFound(answer(404, graphError('UnknownError', '', 'ErrorItemNotFound'))))
  for (const one of [
    answer(404, '<html>ErrorItemNotFound</html>'),
    answer(404, {}),
    answer(404, graphError('ResourceNotFound')),
    answer(404, graphError('SyncStateNotFound')),
    answer(400, graphError('ErrorItemNotFound')),
    answer(200, graphError('ErrorItemNotFound')),
  ])
    t.notOk(isNotFound(one), JSON.stringify(one))
  t.equal(errorOf(answer(404, graphError('ErrorItemNotFound')), 'asking', { notFound: 'expired' }).kind, 'expired')
})

t.test('messages name the call, the status and the code, and quote nothing', async t => {
  const said = graphError('ErrorAccessDenied', 'Access to s3cret@example.com is denied: Bearer s3cret')
  t.equal(
    errorOf(answer(403, said), 'a batch of 3 messages').message,
    'a batch of 3 messages: Microsoft answered 403 ErrorAccessDenied; check that the mailbox exists and the app may read it, then connect it again',
  )
  for (const code of ['s3cret words', 's3cret@example.com', 'https://s3cret', 'x'.repeat(61), '']) {
    t.equal(errorOf(answer(400, graphError(code)), 'asking').message, 'asking: Microsoft answered 400')
  }
})

t.test('an error of any kind carries its wait', async t => {
  const wait = (text: string) => errorOf(answer(503, '', text), 'asking', { now }).retryAfterMs
  t.equal(wait('2.128'), 2128)
  t.equal(wait('Mon, 23 Nov 2026 10:00:05 GMT'), 5000)
  t.equal(wait('later'), undefined)
})

t.test('every request counts, and the longest wait applies', async t => {
  const crowd = graphError('ApplicationThrottled', 'Application is over its MailboxConcurrency limit.')
  t.same(spentOn([answer(200, {}, '9'), answer(404, graphError('ErrorItemNotFound'))], now), { units: 2 })
  t.same(spentOn([answer(429, crowd)], now), { units: 1, refused: 'concurrency' })
  t.same(spentOn([answer(429, crowd, '1.5'), answer(200, {}), answer(429, '', '0.2')], now), {
    units: 3,
    refused: 'rate',
    retryAfterMs: 1500,
  })
  t.same(spentOn([answer(503, '', 'Mon, 23 Nov 2026 10:00:05 GMT'), answer(200, {})], now), {
    units: 2,
    retryAfterMs: 5000,
  })
  t.same(spentOn([], now), { units: 0 })
})

const samples = new URL('../../../../../shared/corpus/api/', import.meta.url)
const withoutCorpus = existsSync(samples) ? {} : { skip: 'there is no corpus beside the project' }

t.test('the throttled answer of the documentation is read', withoutCorpus, async t => {
  const { blocks } = JSON.parse(readFileSync(new URL('graph-docs-throttling.json', samples), 'utf8')) as {
    blocks: { head: string; json: unknown }[]
  }
  const [{ head, json } = { head: '', json: {} }] = blocks
  const sample = answer(429, json, /Retry-After: (.*)/.exec(head)?.[1])
  t.match(errorOf(sample, 'asking', { now }), { kind: 'throttled', retryAfterMs: 2128 })
  t.same(spentOn([sample], now), { units: 1, refused: 'rate', retryAfterMs: 2128 })
})
