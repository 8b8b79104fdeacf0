import t from 'tap'
import { createGuard } from '../../../pipeline/runtime/breaker.ts'
import { createGuards } from '../../../pipeline/runtime/guards.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { Fetched } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { logTo } from '../../support/gateway.ts'
import { redisFor } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { redis } = await redisFor(t)
const call = { signal: new AbortController().signal, meter: () => undefined }

t.test('a failing provider opens the breaker, one successful trial call closes it', async t => {
  const mailbox = fakeMailbox()
  let down = true
  mailbox.before = () => {
    if (down) throw new MailError('unavailable', 'HTTP 503')
  }
  const guarded = createGuard({ threshold: 3, openMs: 150, now: Date.now })(mailbox)
  for (let n = 0; n < 2; n += 1) await t.rejects(guarded.open(call), { message: 'HTTP 503' })
  await t.rejects(
    guarded.open(call),
    { message: /calls are paused \(HTTP 503\)/ },
    'the call that opens it costs no attempt',
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

t.test('other errors do not open the breaker', async t => {
  const mailbox = fakeMailbox()
  mailbox.before = () => {
    throw new MailError('throttled', 'slow down')
  }
  const guarded = createGuard({ threshold: 1, openMs: 60_000, now: Date.now })(mailbox)
  for (let n = 0; n < 5; n += 1)
    await t.rejects(guarded.fetch([{ id: 'a', thread: 't' }], call), { message: 'slow down' })
})

t.test('a fetch counts as a failure only if every part is unavailable', async t => {
  const mailbox = fakeMailbox()
  const unavailable: Fetched = { outcome: 'failed', error: new MailError('unavailable', 'HTTP 503') }
  let gone = false
  const answers = async () =>
    new Map<string, Fetched>([
      ['a', unavailable],
      ['b', gone ? { outcome: 'gone' } : unavailable],
    ])
  const guarded = createGuard({ threshold: 2, openMs: 60_000, now: Date.now })({
    ...mailbox,
    fetch: answers,
  })
  await t.rejects(guarded.fetch(wanted('a', 'b'), call), { message: 'HTTP 503' })
  gone = true
  t.equal((await guarded.fetch(wanted('a', 'b'), call)).size, 2)
  gone = false
  await t.rejects(guarded.fetch(wanted('c'), call), { message: 'HTTP 503' })
  await t.rejects(guarded.fetch(wanted('d'), call), { message: /calls are paused/ })
})

t.test('one permanently failing item opens nothing while the provider answers others', async t => {
  const mailbox = fakeMailbox()
  let away = false
  mailbox.before = (kind, [one]) => {
    if (away || (kind === 'fetch' && one?.id === 'sick')) throw new MailError('unavailable', 'HTTP 500')
  }
  const guarded = createGuard({ threshold: 3, openMs: 60_000, now: Date.now })(mailbox)
  for (let n = 0; n < 10; n += 1) t.equal(await kindOf(guarded.fetch(wanted('sick'), call)), 'unavailable')
  const probes = mailbox.calls.filter(kind => kind === 'probe')
  t.equal(probes.length, 3, 'one cheap call decides, once for each three failures')
  t.equal((await guarded.fetch(wanted('healthy'), call)).size, 1)

  away = true
  await until(
    () =>
      guarded.fetch(wanted('sick'), call).then(
        () => false,
        (error: MailError) => error.kind === 'throttled',
      ),
    'a probe distinguishes the outage from the failing item',
  )
})

t.test('several failing items among healthy ones open nothing either', async t => {
  const mailbox = fakeMailbox()
  const sick = ['s1', 's2', 's3', 's4', 's5', 's6']
  mailbox.before = (kind, [one]) => {
    if (kind === 'fetch' && sick.includes(one?.id ?? '')) throw new MailError('unavailable', 'HTTP 500')
  }
  const guarded = createGuard({ threshold: 3, openMs: 60_000, now: Date.now })(mailbox)
  for (const id of sick) {
    t.equal(await kindOf(guarded.fetch(wanted(id), call)), 'unavailable')
    await guarded.fetch(wanted(`healthy ${id}`), call)
  }
  for (const id of [...sick, ...sick]) t.equal(await kindOf(guarded.fetch(wanted(id), call)), 'unavailable')
})

t.test('a previously failed item is not used as the trial call', async t => {
  const mailbox = fakeMailbox()
  let away = true
  mailbox.before = (kind, [one]) => {
    if (away || (kind === 'fetch' && one?.id === 'a')) throw new MailError('unavailable', 'HTTP 500')
  }
  const reported: string[] = []
  const guarded = createGuard({
    threshold: 2,
    openMs: 30,
    now: Date.now,
    onOpen: () => reported.push('open'),
    onClose: () => reported.push('closed'),
  })(mailbox)
  t.equal(await kindOf(guarded.fetch(wanted('a'), call)), 'unavailable')
  t.equal(await kindOf(guarded.fetch(wanted('b'), call)), 'throttled')
  away = false
  await until(
    () => guarded.fetch(wanted('a'), call).catch((error: MailError) => error.kind === 'unavailable'),
    'the failing item is fetched again',
  )
  t.same(reported, ['open', 'closed'])
  t.equal((await guarded.fetch(wanted('b'), call)).size, 1)
})

t.test('each mailbox has its own breaker, and an outage is logged once', async t => {
  const reported: string[] = []
  const log = logTo(reported)
  const guardOf = createGuards(
    { config: readConfig({}), redis, keys: createKeys('guards', 1), now: Date.now },
    { child: () => log },
  )
  const [ana, bo, cy] = [fakeMailbox(), fakeMailbox(), fakeMailbox()]
  for (const away of [ana, bo])
    away.before = () => {
      throw new MailError('unavailable', 'HTTP 503')
    }
  for (const [name, mailbox] of [
    ['gmail:ana@example.com', ana],
    ['gmail:bo@example.com', bo],
  ] as const) {
    for (let n = 0; n < 4; n += 1)
      t.equal(await kindOf(guardOf(name)(mailbox).fetch(wanted(`m${n}`), call)), 'unavailable')
    t.equal(await kindOf(guardOf(name)(mailbox).fetch(wanted('m4'), call)), 'throttled')
  }
  t.equal((await guardOf('gmail:cy@example.com')(cy).fetch(wanted('m'), call)).size, 1)
  t.equal(reported.filter(line => line.startsWith('warn')).length, 1)
})

function wanted(...ids: string[]) {
  return ids.map(id => ({ id, thread: 't' }))
}

function kindOf(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'none',
    (error: MailError) => error.kind,
  )
}
