import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { awaitApp, endless, insist } from '../../../pipeline/base/await-redis.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import { keepLog } from '../../faults/support.ts'
import { freePort, startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { signal } = new AbortController()
const config = readConfig({ LOG_LEVEL: 'silent' })
// Slow to read its data, so that it can be met while it does.
const server = await startRedis(
  ...['--key-load-delay', '20000', '--loading-process-events-interval-bytes', '1024', '--rdbcompression', 'no'],
)
t.teardown(() => server.stop())
t.beforeEach(() => server.client.flushall())

const admin = (...words: string[]) => server.client.call(words[0] ?? '', ...words.slice(1))

let restarting = Promise.resolve()

/** What is wrong with the server, how it is brought about and mended, and what is said. */
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
    /is a replica, which takes no writes/,
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
  t.test(`a Redis that ${what} is waited for without end, and that is said once`, async t => {
    const { log, lines } = keepLog()
    await begin()
    const opening = awaitApp(config, server.url, endless(signal, log))
    await until(() => lines.some(({ fields }) => says.test(String(fields.error))), 'it says that it waits')
    await end()
    const app = await opening
    app.close()
    // While a server starts what is wrong with it changes.
    t.same(
      [...new Set(lines.map(({ text }) => text))],
      ['Redis cannot be used yet; waiting for it', 'Redis can be used; going on'],
    )
  })
}

t.test('a wrong password is told from none', async t => {
  const url = server.url.replace('//', '//:wrong@')
  await admin('CONFIG', 'SET', 'requirepass', 'x')
  const patience = { signal, patienceMs: 0, waits: () => undefined }
  await t.rejects(awaitApp(config, url, patience), { kind: 'misconfigured', message: /\(WRONGPASS .*REDIS_URL/ })
  await admin('CONFIG', 'SET', 'requirepass', '')
})

t.test('one that is full can be read', async t => {
  const patience = { signal, patienceMs: 0, waits: () => undefined }
  const first = await awaitApp(config, server.url, patience)
  first.close()
  await admin('CONFIG', 'SET', 'maxmemory', '1')
  const app = await awaitApp(config, server.url, { ...patience, reads: true })
  app.close()
  await t.rejects(awaitApp(config, server.url, patience), { kind: 'unavailable', message: /is full/ })
  await admin('CONFIG', 'SET', 'maxmemory', '0')
})

t.test('patience ends, and a process that is told to stop waits no more', async t => {
  const url = `redis://127.0.0.1:${await freePort()}`
  const said: string[] = []
  const waits = (reason: string) => void said.push(reason)
  await t.rejects(awaitApp(config, url, { signal, patienceMs: 3000, waits }), {
    kind: 'misconfigured',
    message: /No Redis answers.*ECONNREFUSED/,
  })
  t.equal(said.length, 1)
  const stopping = new AbortController()
  const waiting = awaitApp(config, url, { signal: stopping.signal, waits: () => stopping.abort() })
  await t.rejects(waiting, /No Redis answers/)
})

t.test('one that accepts and never answers is one that does not answer', async t => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const address = silent.address()
  const url = `redis://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  await t.rejects(awaitApp(config, url, { signal, patienceMs: 0, waits: () => undefined }), /No Redis answers/)
})

t.test('the JavaScript Redis needs no waiting', async t => {
  const js = await startJsRedis()
  t.teardown(() => js.close())
  const app = await awaitApp(config, js.url, { signal, patienceMs: 0, waits: t.fail })
  app.close()
})

t.test('what cannot be waited for is told at once: a setting of the server, and what a provider did', async t => {
  const patience = { signal, waits: () => t.fail('waits') }
  await admin('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await t.rejects(awaitApp(config, server.url, patience), { message: /maxmemory-policy/ })
  await admin('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  const refused = new MailError('unavailable', 'Gmail', { cause: new Error('ECONNREFUSED') })
  await t.rejects(
    insist(server.url, () => Promise.reject(refused), patience),
    refused,
  )
})
