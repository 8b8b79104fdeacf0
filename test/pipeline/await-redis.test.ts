import t from 'tap'
import { awaitRedis } from '../../pipeline/await-redis.ts'
import { keepLog } from '../faults/support.ts'
import { freePort, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const { signal } = new AbortController()

t.test('a Redis that comes later is waited for, and that is said once', async t => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  await server.kill('SIGKILL')
  const { log, lines } = keepLog()
  const waiting = awaitRedis(server.url, { signal, log })
  await until(() => lines.length > 0, 'it says that it waits')
  await server.restart()
  await waiting
  t.same(
    lines.map(({ text }) => text),
    ['Redis does not answer yet; waiting for it'],
  )
})

t.test('one that does not come is told after a while, what is wrong with one that answers at once', async t => {
  const { log } = keepLog()
  const url = `redis://127.0.0.1:${await freePort()}`
  await t.rejects(awaitRedis(url, { signal, log, patienceMs: 1 }), { message: /No Redis answers.*ECONNREFUSED/ })
  const server = await startRedis('--maxmemory-policy', 'allkeys-lru')
  t.teardown(() => server.stop())
  const began = performance.now()
  await t.rejects(awaitRedis(server.url, { signal, log }), { message: /maxmemory-policy/ })
  t.ok(performance.now() - began < 10_000, 'not waited for')
})
