import t from 'tap'
import { createGuard } from '../../pipeline/breaker.ts'
import { MailError } from '../../shared/error.ts'
import type { Fetched } from '../../shared/mailbox.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { silent } from '../support/log.ts'
import { until } from '../support/until.ts'

const call = { signal: new AbortController().signal, meter: () => undefined }

t.test('a provider that fails again and again is left alone, then tried with one call, and trusted again', async t => {
  const mailbox = fakeMailbox()
  let down = true
  mailbox.before = () => {
    if (down) throw new MailError('unavailable', 'HTTP 503')
  }
  const guarded = createGuard({ threshold: 3, openMs: 150, now: Date.now, log: silent })(mailbox)
  for (let n = 0; n < 2; n += 1) await t.rejects(guarded.open(call), { message: 'HTTP 503' })
  await t.rejects(
    guarded.open(call),
    { message: /left alone for a while \(HTTP 503\)/ },
    'the one that opens it costs no attempt',
  )
  mailbox.calls.length = 0
  const refused = await guarded.open(call).catch((error: MailError) => error)
  t.match(refused, { kind: 'throttled' }, 'it delays, it does not fail')
  t.ok(refused instanceof MailError && (refused.retryAfterMs ?? 0) > 0 && (refused.retryAfterMs ?? 0) <= 150)
  t.same(mailbox.calls, [], 'the provider was not asked')

  const kinds = new Set<string>()
  await until(async () => {
    kinds.add(
      await guarded.open(call).then(
        () => 'none',
        (error: MailError) => error.kind,
      ),
    )
    return mailbox.calls.length > 0
  }, 'a probe')
  t.same(mailbox.calls, ['open'], 'one call tried it')
  t.same([...kinds], ['throttled'], 'nor does one that keeps it open')
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

t.test('a fetch of which every part is unavailable counts, one of which some part is not does not', async t => {
  const mailbox = fakeMailbox()
  const unavailable: Fetched = { outcome: 'failed', error: new MailError('unavailable', 'HTTP 503') }
  let gone = false
  const answers = async () =>
    new Map<string, Fetched>([
      ['a', unavailable],
      ['b', gone ? { outcome: 'gone' } : unavailable],
    ])
  const guarded = createGuard({ threshold: 2, openMs: 60_000, now: Date.now, log: silent })({
    ...mailbox,
    fetch: answers,
  })
  const fetched = () =>
    guarded.fetch(
      [
        { id: 'a', thread: 't' },
        { id: 'b', thread: 't' },
      ],
      call,
    )
  await t.rejects(fetched(), { message: 'HTTP 503' })
  gone = true
  t.equal((await fetched()).size, 2)
  gone = false
  await t.rejects(fetched(), { message: 'HTTP 503' })
  await t.rejects(fetched(), { message: /left alone/ })
})
