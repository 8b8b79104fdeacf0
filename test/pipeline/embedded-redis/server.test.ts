import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { isRunning } from '../../../pipeline/base/process-state.ts'
import { findEmbeddedRedis } from '../../../pipeline/embedded-redis/find.ts'
import { embeddedRedis } from '../../../pipeline/embedded-redis/server.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { holdRedis } from '../../support/hold-redis.ts'
import { until } from '../../support/until.ts'

async function setUp(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailsluice-data-'))
  const reported: string[] = []
  const log = { warn: (text: string) => reported.push(text), error: (text: string) => reported.push(text) }
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  return { dataDir, log, reported }
}

async function ask<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url)
  client.on('error', () => undefined)
  try {
    return await work(client)
  } finally {
    client.disconnect()
  }
}

const pidOf = (url: string) =>
  ask(url, async client => Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]))
const gone = (pid: number) => until(async () => !isRunning(pid) || (await isZombie(pid)), `process ${pid} is gone`)

// An ended orphan stays listed until init reaps it, which never happens in some containers.
const isZombie = async (pid: number) => /\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))

t.test('a real server starts with a password, append-only file and no eviction', async t => {
  const { dataDir, log, reported } = await setUp(t)
  const redis = await embeddedRedis({ dataDir, log })
  t.match(redis.label, new RegExp(`^(redis|valkey)-server \\d+\\.\\d+\\.\\d+, stored in ${dataDir}$`))
  t.equal(redis.durable, true)
  await ask(redis.url, async client => {
    t.same(await client.config('GET', 'appendonly'), ['appendonly', 'yes'])
    t.same(await client.config('GET', 'save'), ['save', ''])
    t.same(await client.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction'])
    t.same(await client.config('GET', 'bind'), ['bind', '127.0.0.1'])
  })
  const { port, password } = new URL(redis.url)
  await t.rejects(
    ask(`redis://127.0.0.1:${port}`, client => client.get('a')),
    /NOAUTH/,
  )
  const pid = await pidOf(redis.url)
  t.notMatch(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), password)
  t.equal((await stat(join(dataDir, 'redis.json'))).mode & 0o777, 0o600)
  t.same(await findEmbeddedRedis(dataDir), { url: redis.url, label: redis.label, durable: true })

  await redis.stop()
  await redis.stop()
  await gone(pid)
  t.equal(await findEmbeddedRedis(dataDir), undefined)
  t.notOk((await readdir(dataDir)).includes('redis.json'))
  t.same(reported, [])
})

t.test('data survives a stop and a start', async t => {
  const { dataDir, log } = await setUp(t)
  const first = await embeddedRedis({ dataDir, log })
  await ask(first.url, client => client.xadd('s', '1-1', 'a', 'b'))
  await first.stop()
  const second = await embeddedRedis({ dataDir, log })
  t.same(await ask(second.url, client => client.xrange('s', '-', '+')), [['1-1', ['a', 'b']]])
  await second.stop()
})

t.test('the server of a killed process is adopted, and stopped by its adopter', async t => {
  const { dataDir, log } = await setUp(t)
  const killed = await holdRedis(dataDir)
  const pid = await pidOf(killed.url)
  await killed.end('SIGKILL')
  t.ok(isRunning(pid), 'it outlives a killed process')
  const adopted = await embeddedRedis({ dataDir, log })
  t.equal(adopted.url, killed.url)
  t.equal(await pidOf(adopted.url), pid)
  await adopted.stop()
  await gone(pid)
})

t.test('an exit without a stop leaves no server behind', async t => {
  const { dataDir } = await setUp(t)
  const holder = await holdRedis(dataDir)
  const pid = await pidOf(holder.url)
  t.equal(await holder.end('SIGUSR2'), 3)
  await gone(pid)
})

t.test('concurrent starts share one server, which the last user stops', async t => {
  const { dataDir, log } = await setUp(t)
  const holders = await Promise.all(Array.from({ length: 3 }, () => holdRedis(dataDir)))
  const own = await Promise.all([embeddedRedis({ dataDir, log }), embeddedRedis({ dataDir, log })])
  t.equal(new Set([...holders, ...own].map(({ url }) => url)).size, 1)
  const pid = await pidOf(own[0].url)
  await own[0].stop()
  t.same(await Promise.all(holders.map(holder => holder.end('SIGTERM'))), [0, 0, 0])
  t.equal(await pidOf(own[1].url), pid, 'it serves as long as one is left')
  await own[1].stop()
  await gone(pid)
})

t.test('stale locks and stale server notes are taken over', async t => {
  const { dataDir, log } = await setUp(t)
  const dead = { pid: 2 ** 22 + 1, since: 1 }
  await writeFile(join(dataDir, 'redis.lock.7'), JSON.stringify(dead))
  const note = { url: 'redis://:x@127.0.0.1:1', label: 'old', durable: true, pid: dead.pid, users: [dead] }
  await writeFile(join(dataDir, 'redis.json'), JSON.stringify(note))
  const redis = await embeddedRedis({ dataDir, log })
  t.equal(await ask(redis.url, client => client.ping()), 'PONG')
  await redis.stop()
})

t.test('without a server program, a JavaScript Redis serves this machine with a warning', async t => {
  const { dataDir, log, reported } = await setUp(t)
  const redis = await embeddedRedis({ dataDir, programs: ['no-such-redis-server'], log })
  t.equal(redis.label, 'js-redis-server 0.3.0, not durable')
  t.equal(redis.durable, false)
  t.match(reported, [/no no-such-redis-server on PATH.*loses its data.*Install Redis 7\.0 or newer/])
  const { port } = new URL(redis.url)
  await t.rejects(
    ask(`redis://127.0.0.1:${port}`, client => client.get('a')),
    /NOAUTH/,
  )
  for (const address of addressesOfThisMachine()) {
    await t.rejects(reach(address, Number(port)), /ECONNREFUSED/, `not reachable at ${address}`)
  }
  const client = await connectRedis(redis.url)
  t.equal(await client.eval('return redis.call("SET", KEYS[1], ARGV[1])', 1, 'a', 'b'), 'OK')

  const other = await holdRedis(dataDir)
  t.equal(other.url, redis.url, 'other processes use the same one')
  await other.end('SIGTERM')
  t.equal(await client.get('a'), 'b')
  client.disconnect()
  await redis.stop()
  t.equal(await findEmbeddedRedis(dataDir), undefined)
})

t.test('an unusable folder is named with a remedy', async t => {
  const { dataDir, log } = await setUp(t)
  const file = join(dataDir, 'a-file')
  await writeFile(file, '')
  for (const wrong of [file, join(file, 'below')]) {
    await t.rejects(embeddedRedis({ dataDir: wrong, log }), {
      name: 'MailError',
      kind: 'misconfigured',
      message: new RegExp(`DATA_DIR ${wrong} .* is a file.*set DATA_DIR to another folder`),
    })
  }
})

t.test('a failed server start is quoted and leaves nothing behind', async t => {
  const { dataDir, log } = await setUp(t)
  await mkdir(join(dataDir, 'redis', 'appendonlydir'), { recursive: true })
  await writeFile(join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'not a manifest\n')
  await t.rejects(embeddedRedis({ dataDir, log }), {
    name: 'MailError',
    kind: 'misconfigured',
    message: /did not start \(exit code 1\): .*manifest.*the log is .*redis\.log/,
  })
  t.equal(await findEmbeddedRedis(dataDir), undefined)
})

function addressesOfThisMachine(): string[] {
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
  return all.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address)
}

function reach(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => {
      socket.destroy()
      resolve()
    })
    socket.on('error', reject)
  })
}
