import { readdirSync, readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { startKeeper } from '../../../pipeline/keeper/keeper.ts'
import { checkServer } from '../../../shared/redis/checks.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { startPipeline } from '../../support/pipeline.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const server = await startRedis('--repl-diskless-sync-delay', '0')
t.teardown(() => server.stop())
t.beforeEach(() => server.client.flushall())

const at = { place: 'redis://here', now: Date.now }

t.test('a suitable server passes and is left unchanged', async t => {
  t.same(await checkServer(clientOf(t, server.url), { ...at, prefix: 'test' }), [])
  t.equal(await server.client.dbsize(), 0)
})

t.test('the JavaScript Redis passes too', async t => {
  const js = await startJsRedis()
  t.teardown(() => js.close())
  t.same(await checkServer(clientOf(t, js.url), { ...at, prefix: 'test' }), [])
})

t.test('denied commands are named with the rule that allows them', async t => {
  const url = await user('+@all', '-xclaim', '-xgroup|create', '-xgroup|setid')
  await t.rejects(checkServer(clientOf(t, url), at), {
    kind: 'misconfigured',
    message:
      'redis://here does not let its user "tess" use XCLAIM, XGROUP CREATE, XGROUP SETID: allow it with ACL SETUSER tess +xclaim +xgroup|create +xgroup|setid',
  })
  await server.client.call('ACL', 'SETUSER', 'tess', '+xclaim', '+xgroup|create', '+xgroup|setid')
  t.same(await checkServer(clientOf(t, url), at), [])
})

t.test('without MULTI no command is tried', async t => {
  await t.rejects(checkServer(clientOf(t, await user('+@all', '-multi')), at), /tess" use MULTI: .* \+multi$/)
  t.equal(await server.client.dbsize(), 0)
})

t.test('denied keys are named where the prefix is known', async t => {
  const url = await user('+@all', 'resetkeys', '~other:*')
  t.same(await checkServer(clientOf(t, url), at), [])
  await t.rejects(
    checkServer(clientOf(t, url), { ...at, prefix: 'test' }),
    /does not let its user "tess" use the keys test:\*: allow it with ACL SETUSER tess ~test:\*, or change REDIS_PREFIX/,
  )
})

t.test('a user with exactly the named rights can run everything', async t => {
  const url = await user('-@all')
  const rules = await allow(t, url)
  await server.client.call('ACL', 'LOG', 'RESET')
  const mailbox = fakeMailbox()
  mailbox.deliver(30, 10)
  const tess: TestRedis = { ...server, url }
  const pipeline = await startPipeline(tess, mailbox)
  const reported: string[] = []
  const tell = (...words: unknown[]) => void reported.push(String(words.at(-1)))
  const keeper = startKeeper(pipeline.app, {
    log: { debug: tell, info: tell, warn: tell, error: tell },
    intervalMs: 10,
    healAfterMs: 60_000,
  })
  t.match(await pipeline.sync(), { listed: 30, tasks: 10, addsUp: true })
  await keeper.stop()
  await pipeline.stop()
  t.same(reported, ['this keeper is active'])
  const refused = (await server.client.call('ACL', 'LOG')) as unknown[][]
  const commands = refused.map(fields => String(fields[fields.indexOf('object') + 1]))
  // The client sends CLIENT commands and reads the policy, both optional.
  t.same(
    commands.filter(command => !/^(client|config)/.test(command)),
    [],
  )
  const scripts = new URL('../../../shared/redis/lua/', import.meta.url)
  const used = readdirSync(scripts).flatMap(file => [
    ...readFileSync(new URL(file, scripts), 'utf8').matchAll(/(?:redis\.p?call\(|stage\(\w+, )'(\w+)'/g),
  ])
  const unnamed = used.map(([, command = '']) => command.toLowerCase()).filter(command => !rules.includes(command))
  t.same(unnamed, [], `${used.length} calls in scripts are checked`)
})

t.test('a replica is refused with the name of its primary', async t => {
  const replica = await startRedis('--replicaof', '127.0.0.1', `${server.port}`)
  t.teardown(() => replica.stop())
  await until(async () => /master_link_status:up/.test(await replica.client.info('replication')), 'it follows')
  await t.rejects(
    checkServer(clientOf(t, replica.url), at),
    new RegExp(`is a read-only replica: connect to its primary \\(127.0.0.1:${server.port}\\)`),
  )
})

t.test('a node of a cluster is refused', async t => {
  const node = await startRedis('--cluster-enabled', 'yes')
  t.teardown(() => node.stop())
  await t.rejects(checkServer(clientOf(t, node.url), at), /is a node of a cluster/)
})

t.test('evicting any key is refused; evicting expiring keys is not', async t => {
  t.teardown(() => server.client.config('SET', 'maxmemory-policy', 'noeviction'))
  await server.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  await t.rejects(checkServer(clientOf(t, server.url), at), /allkeys-lru\): set it to noeviction or volatile-lru/)
  await server.client.config('SET', 'maxmemory-policy', 'volatile-ttl')
  t.same(await checkServer(clientOf(t, server.url), at), [])
})

t.test('clocks that differ by seconds cause a warning', async t => {
  const check = (aheadMs: number) => checkServer(clientOf(t, server.url), { ...at, now: () => Date.now() + aheadMs })
  t.same(await check(3000), [])
  t.match(await check(10_000), [/the clock of redis:\/\/here is (9|10) s behind this machine's: set both by NTP/])
  t.match(await check(-10_000), [/is (9|10) s ahead of this machine's/])
  t.match(await check(3_600_000), [/3600 s behind/], 'no shared state depends on a machine clock')
})

t.test('a slow answer is not taken for a clock difference', async t => {
  let clock = Date.now() - 100_000
  const now = () => {
    clock += 100_000
    return clock
  }
  t.same(await checkServer(clientOf(t, server.url), { ...at, now }), [])
})

/** Grants the rights that the check names until it names none; returns all of them. */
async function allow(t: Test, url: string): Promise<string> {
  const refusal = await checkServer(clientOf(t, url), at).then(
    () => '',
    (error: Error) => error.message,
  )
  const rules = /ACL SETUSER tess (.*)$/.exec(refusal)?.[1]
  if (!rules) return refusal
  await server.client.call('ACL', 'SETUSER', 'tess', ...rules.split(' '))
  return `${rules} ${await allow(t, url)}`
}

function clientOf(t: Test, url: string): Redis {
  // The ready check would print that INFO is denied.
  const client = new Redis(url, { enableReadyCheck: false, protocol: 2 })
  t.teardown(() => client.disconnect())
  return client
}

async function user(...rules: string[]): Promise<string> {
  await server.client.call('ACL', 'DELUSER', 'tess')
  await server.client.call('ACL', 'SETUSER', 'tess', 'on', '>pw', '~*', ...rules)
  await server.client.call('ACL', 'LOG', 'RESET')
  return server.url.replace('redis://', 'redis://tess:pw@')
}
