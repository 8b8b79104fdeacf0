import t from 'tap'
import { latencyMs, PROFILES, pause } from '../../sim/profile.ts'

t.test('each profile has its latencies', async t => {
  const calls = [
    { kind: 'list', parts: 0 },
    { kind: 'single', parts: 0 },
    { kind: 'batch', parts: 20 },
  ]
  const all = Object.fromEntries(PROFILES.map(profile => [profile, calls.map(call => latencyMs(profile, call))]))
  t.same(all, { live: [150, 240, 180], seed: [2350, 2350, 2350], instant: [0, 0, 0] })
  t.equal(latencyMs('live', { kind: 'batch', parts: 20 }, 100), 100, 'a fixed latency overrides them')
})

t.test('a pause ends as soon as it is aborted', async t => {
  const abort = new AbortController()
  const pausing = pause(60_000, abort.signal)
  abort.abort()
  await t.rejects(pausing, { name: 'AbortError' })
  await pause(0, abort.signal)
})
