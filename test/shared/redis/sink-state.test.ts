import t from 'tap'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createSinkState, readSinkPause, resumeSink } from '../../../shared/redis/sink-state.ts'
import { clusterFor } from '../../support/redis.ts'

const { redis } = await clusterFor(t)

const NOON = 20_000.5 * 86_400_000
const MINUTE_MS = 60_000
const keys = createKeys('sink', 2)

function sinks() {
  const clock = { ms: NOON }
  const of = (settings = 'a secret') => createSinkState({ redis, keys, settings, now: () => clock.ms })
  return { clock, of }
}

t.test('a paused sink makes all processes wait, and one at a time tries it, ever more rarely', async t => {
  const { clock, of } = sinks()
  const [one, other] = [of(), of()]
  t.equal(await one.waits(), undefined)
  await one.pause('the key is revoked')
  t.same(await other.waits(), { untilMs: NOON + MINUTE_MS, why: 'the key is revoked' })
  const waits: number[] = []
  for (let tries = 0; tries < 8; tries += 1) {
    const { tryAt = 0 } = (await readSinkPause(redis, keys, 'a secret')) ?? {}
    waits.push((tryAt - clock.ms) / MINUTE_MS)
    clock.ms = tryAt - 1
    t.match(await other.waits(), { why: 'the key is revoked' })
    clock.ms += 1
    const answers = await Promise.all([one, other, of(), of()].map(sink => sink.waits()))
    t.equal(answers.filter(answer => answer === undefined).length, 1, 'one tries')
    for (const answer of answers)
      t.ok((answer?.untilMs ?? 0) <= clock.ms + MINUTE_MS, 'others ask again within a minute')
    await one.pause('the key is revoked')
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 60, 60])
  const pause = await readSinkPause(redis, keys, 'a secret')
  t.match(pause, { since: NOON, why: 'the key is revoked' })
})

t.test('a try that succeeds ends the pause, and other successes do not', async t => {
  const { clock, of } = sinks()
  const [one, other] = [of(), of()]
  await one.pause('no')
  await other.succeeded()
  await one.succeeded()
  t.match(await one.waits(), { why: 'no' })
  clock.ms += MINUTE_MS
  t.equal(await one.waits(), undefined)
  await other.succeeded()
  t.match(await other.waits(), { why: 'no' })
  await one.succeeded()
  t.equal(await other.waits(), undefined)
  t.equal(await redis.exists(keys.sink), 0)
})

t.test('an outage is tried sooner, and a person can end any pause', async t => {
  const { clock, of } = sinks()
  const sink = of()
  await sink.pause('503', { isOutage: true })
  t.match(await sink.waits(), { untilMs: NOON + 10_000 })
  for (let tries = 0; tries < 7; tries += 1) {
    clock.ms += 5 * MINUTE_MS
    t.equal(await sink.waits(), undefined)
  }
  t.equal((await readSinkPause(redis, keys, 'a secret'))?.tryAt, clock.ms + 5 * MINUTE_MS)
  t.equal(await resumeSink(redis, keys), true)
  t.equal(await resumeSink(redis, keys), false)
  t.equal(await sink.waits(), undefined)
})

t.test('a sink with other settings is not paused, and no secret is stored', async t => {
  const { of } = sinks()
  await of().pause('no')
  t.equal(await of('another secret').waits(), undefined)
  t.equal(await readSinkPause(redis, keys, 'another secret'), undefined)
  t.notMatch(JSON.stringify(await redis.hgetall(keys.sink)), /secret/)
  await of('another secret').pause('also no')
  t.equal(await of().waits(), undefined)
  t.match(await of('another secret').waits(), { why: 'also no' })
})

t.test('a question that is repeated is answered alike', async t => {
  const clock = { ms: NOON }
  const sink = createSinkState({ redis, keys, settings: 'a', now: () => clock.ms, uuid: () => 'one' })
  await sink.pause('no')
  clock.ms += MINUTE_MS
  t.same([await sink.waits(), await sink.waits()], [undefined, undefined])
  t.equal((await readSinkPause(redis, keys, 'a'))?.tryAt, clock.ms + 2 * MINUTE_MS)
})
