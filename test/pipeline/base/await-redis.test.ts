import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { awaitApp, retryUntilServing, waitForever } from '../../../pipeline/base/await-redis.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import { keepLog } from '../../faults/support.ts'
import { freePort, startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { signal } = new AbortController()
const config = readConfig({ LOG_LEVEL: 'silent' })
// Loads its data slowly, so that the test meets it while loading.
const server = await startRedis(
  ...['--key-load-delay', '20000', '--loading-process-events-interval-bytes', '1024', '--rdbcompression', 'no'],
)
t.teardown(() => server.stop())
t.beforeEach(() => server.client.flushall())

const admin = (...words: string[]) => server.client.call(words[0] ?? '', ...words.slice(1))

let restarting = Promise.resolve()

/** A fault of the server, how to cause and end it, and the expected error. */
const troubles: [what: string, begin: () => Promise<unknown>, end: () => Promise<unknown>, says: RegExp][] = [
  ['is away', () => server.kill('SIGKILL'), () => server.restart(), /No Redis answers at .*ECONNREFUSED/],
  [
    'is full',
    () => admin('CONFIG', 'SET', 'maxmemory', '1'),
    () => admin('CONFIG', 'SET', 'maxmemory', '0'),
    /is full \(OOM .*raise its maxmemory/,
  ],
  [
    'wants a password',
    () => admin('CONFIG', 'SET', 'requirepass', 'x'),
    () => admin('CONFIG', 'SET', 'requirepass', ''),
    /refuses the password \(NOAUTH .*correct REDIS_URL/,
  ],
  [
    'is a replica',
    () => admin('REPLICAOF', '127.0.0.1', '1'),
    () => admin('REPLICAOF', 'NO', 'ONE'),
    /is a read-only replica/,
  ],
  [
    'takes a command back',
    () => admin('ACL', 'SETUSER', 'default', '-xack'),
    () => admin('ACL', 'SETUSER', 'default', '+@all'),
    /does not let its user "default" use XACK/,
  ],
  [
    'lacks its replicas',
    () => admin('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    () => admin('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    /waits for its replicas/,
  ],
  [
    'reads its data',
    async () => {
      const keys = Array.from({ length: 100 }, (_, key) => [`key${key}`, 'x'.repeat(1000)])
      await server.client.mset(...keys.flat())
      await server.client.save()
      await server.kill('SIGKILL')
      restarting = server.restart()
    },
    () => restarting,
    /is still loading its data/,
  ],
]

for (const [what, begin, end, says] of troubles) {
  t.test(`a process waits without limit for a Redis that ${what}, and logs it once`, async t => {
    const { log, lines } = keepLog()
    await begin()
    const opening = awaitApp(config, server.url, waitForever(signal, log))
    await until(() => lines.some(({ fields }) => says.test(String(fields.error))), 'it logs the wait')
    await end()
    const app = await opening
    app.close()
    // The reported fault changes while a server starts.
    t.same([...new Set(lines.map(({ text }) => text))], ['Redis unavailable; retrying', 'Redis available again'])
  })
}

t.test('a wrong password and a missing one have different errors', async t => {
  const url = server.url.replace('//', '//:wrong@')
  await admin('CONFIG', 'SET', 'requirepass', 'x')
  const wait = { signal, timeoutMs: 0, onWait: () => undefined }
  await t.rejects(awaitApp(config, url, wait), { kind: 'misconfigured', message: /\(WRONGPASS .*REDIS_URL/ })
  await admin('CONFIG', 'SET', 'requirepass', '')
})

t.test('a full Redis can be read', async t => {
  const wait = { signal, timeoutMs: 0, onWait: () => undefined }
  const first = await awaitApp(config, server.url, wait)
  first.close()
  await admin('CONFIG', 'SET', 'maxmemory', '1')
  const app = await awaitApp(config, server.url, { ...wait, reads: true })
  app.close()
  await t.rejects(awaitApp(config, server.url, wait), { kind: 'unavailable', message: /is full/ })
  await admin('CONFIG', 'SET', 'maxmemory', '0')
})

t.test('the wait ends at its limit and at a stop', async t => {
  const url = `redis://127.0.0.1:${await freePort()}`
  const said: string[] = []
  const waits = (reason: string) => void said.push(reason)
  await t.rejects(awaitApp(config, url, { signal, timeoutMs: 3000, onWait: waits }), {
    kind: 'misconfigured',
    message: /No Redis answers.*ECONNREFUSED/,
  })
  t.equal(said.length, 1)
  const stopping = new AbortController()
  const waiting = awaitApp(config, url, { signal: stopping.signal, onWait: () => stopping.abort() })
  await t.rejects(waiting, /No Redis answers/)
})

t.test('a server that accepts and never answers counts as unavailable', async t => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const address = silent.address()
  const url = `redis://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  await t.rejects(awaitApp(config, url, { signal, timeoutMs: 0, onWait: () => undefined }), /No Redis answers/)
})

t.test('the JavaScript Redis is available at once', async t => {
  const js = await startJsRedis()
  t.teardown(() => js.close())
  const app = await awaitApp(config, js.url, { signal, timeoutMs: 0, onWait: t.fail })
  app.close()
})

t.test('server settings and provider errors are thrown at once', async t => {
  const wait = { signal, onWait: () => t.fail('waits') }
  await admin('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await t.rejects(awaitApp(config, server.url, wait), { message: /maxmemory-policy/ })
  await admin('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  const refused = new MailError('unavailable', 'Gmail', { cause: new Error('ECONNREFUSED') })
  await t.rejects(
    retryUntilServing(server.url, () => Promise.reject(refused), wait),
    refused,
  )
})
