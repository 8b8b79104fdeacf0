import t from 'tap'
import { createGuard } from '../../pipeline/breaker.ts'
import { MailError } from '../../shared/error.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { until } from '../support/until.ts'

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const call = { signal: new AbortController().signal, meter: () => undefined }

t.test('a provider that fails again and again is left alone, then tried with one call, and trusted again', async t => {
  const mailbox = fakeMailbox()
  let down = true
  mailbox.before = () => {
    if (down) throw new MailError('unavailable', 'HTTP 503')
  }
  const guarded = createGuard({ threshold: 3, openMs: 150, now: Date.now, log: silent })(mailbox)
  for (let n = 0; n < 3; n += 1) await t.rejects(guarded.open(call), { message: 'HTTP 503' })
  mailbox.calls.length = 0
  const refused = await guarded.open(call).catch((error: MailError) => error)
  t.match(refused, { kind: 'throttled' }, 'it delays, it does not fail')
  t.ok(refused instanceof MailError && (refused.retryAfterMs ?? 0) > 0 && (refused.retryAfterMs ?? 0) <= 150)
  t.same(mailbox.calls, [], 'the provider was not asked')

  await until(
    async () => (await guarded.open(call).catch((error: MailError) => error.kind)) === 'unavailable',
    'a probe',
  )
  t.same(mailbox.calls, ['open'], 'one call tried it')
  down = false
  await until(() => guarded.open(call).then(() => true), 'it is trusted again')
  await guarded.open(call)
})

t.test('what is not the provider being away opens nothing', async t => {
  const mailbox = fakeMailbox()
  mailbox.before = () => {
    throw new MailError('throttled', 'slow down')
  }
  const guarded = createGuard({ threshold: 1, openMs: 60_000, now: Date.now, log: silent })(mailbox)
  for (let n = 0; n < 5; n += 1)
    await t.rejects(guarded.fetch([{ id: 'a', thread: 't' }], call), { message: 'slow down' })
})
