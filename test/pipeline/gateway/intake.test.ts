import t, { type Test } from 'tap'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { countArrivals } from '../../../shared/redis/arrivals.ts'
import { dropDead, listDead, redriveDead } from '../../../shared/redis/dead.ts'
import { GATEWAY, readIntake, trimIntake } from '../../../shared/redis/intake.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { eventsOf, openGateway, pushOf } from '../../support/gateway.ts'
import { startGoogleKeys } from '../../support/google-keys.ts'
import { ANA } from '../../support/pipeline.ts'
import { inTurn, lastJson, type Process, start } from '../../support/processes.ts'
import { startProxy } from '../../support/proxy.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis('--stream-node-max-entries', '1')
const google = await startGoogleKeys()
t.teardown(async () => {
  await google.close()
  await redis.stop()
})

t.test('an intake entry of any program reaches its mailbox', async t => {
  const { app } = await openGateway(t, redis.url, google)
  const { keys } = app
  const data = Buffer.from('{"emailAddress":"ana@example.com","historyId":1002}').toString('base64')
  await redis.client.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', '1001')
  await redis.client.xadd(keys.intake, '*', 'data', data, 'note', 'of no matter')
  await redis.client.xadd(keys.intake, '*', 'emailAddress', 'nobody@example.com', 'historyId', '1')
  await until(async () => (await countArrivals(app.redis, keys)).unknown === 1, 'all are processed')
  t.same((await eventsOf(app)).map(({ body }) => body.historyId).sort(), ['1001', '1002'])
  await until(async () => (await readIntake(app.redis, keys)).inWork === 0, 'all are acknowledged')
  t.match(await readIntake(app.redis, keys), { waiting: 0, inWork: 0, dead: 0 })
})

t.test('a message that is both pulled and pushed counts once', async t => {
  const { app, push } = await openGateway(t, redis.url, google)
  await push({ body: pushOf({ historyId: 1001, messageId: 'both-ways' }) })
  const words = ['emailAddress', 'ana@example.com', 'historyId', '1001', 'messageId', 'both-ways']
  await redis.client.xadd(app.keys.intake, '*', ...words)
  await until(async () => (await countArrivals(app.redis, app.keys)).duplicate === 1, 'it is known')
  t.equal((await eventsOf(app)).length, 1)
})

t.test('entries from before the first gateway are processed', async t => {
  const { prefix, keys } = fresh()
  await redis.client.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', '1001')
  const { app } = await openGateway(t, redis.url, google, { settings: { REDIS_PREFIX: prefix } })
  await until(async () => (await eventsOf(app)).length === 1, 'it has arrived')
  t.match(await eventsOf(app), [{ body: { cause: 'push', historyId: '1001' } }])
})

t.test('unreadable entries are dead-lettered, redrivable and block nothing', async t => {
  const { app } = await openGateway(t, redis.url, google)
  const { keys } = app
  const bad = [
    ['hello', 'world'],
    ['emailAddress', 'ana@example.com'],
    ['emailAddress', 'ana', 'historyId', '1'],
    ['emailAddress', 'ana@example.com', 'historyId', 'one'],
    ['data', 'not base64 of anything'],
  ]
  for (const words of bad) await redis.client.xadd(keys.intake, '*', ...words)
  await redis.client.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', '1001')
  await until(async () => (await eventsOf(app)).length === 1, 'the good one comes through')
  const list = () => listDead(app.redis, keys)
  await until(async () => (await list()).length === 5, 'the others are dead-lettered')
  t.match(await readIntake(app.redis, keys), { inWork: 0, dead: 5 })
  const letters = await list()
  const [first, ...others] = letters
  if (!first) throw new Error('no letter')
  t.match(first, { stage: 'gateway', stream: 'intake', kind: 'unparsable', message: /emailAddress \(invalid_type\)/ })
  t.same(letters.map(({ text }) => JSON.parse(text) as string[]).sort(), bad.sort())
  const again = () => redriveDead(app.redis, keys, first, { now: Date.now(), newRunId: 'run' })
  t.same((await Promise.all([again(), again()])).sort(), [false, true], 'two concurrent redrives redrive once')
  await until(async () => (await list()).some(({ name }) => !letters.some(one => one.name === name)), 'it fails again')
  t.equal((await list()).length, 5)
  for (const letter of others) t.equal(await dropDead(app.redis, keys, letter), true)
  t.equal((await list()).length, 1)
})

t.test('the commands show and redrive dead letters of the gateway', async t => {
  const { prefix, keys } = fresh()
  await connectMailbox(redis.client, keys, ANA, 'history:1000', 0)
  const environment = { REDIS_URL: redis.url, REDIS_PREFIX: prefix, PARTITIONS: '2' }
  const gateway = await startGatewayProcess(t, environment)
  await redis.client.xadd(keys.intake, '*', 'historyId', '1001')
  await until(async () => (await readIntake(redis.client, keys)).dead === 1, 'it is dead-lettered')
  const listed = await inTurn(['dead', 'list', '--stage', 'gateway'], environment)
  t.match(listed.stdout, /gateway\/intake\/\d+-\d+ .*not a Gmail notification: emailAddress/)
  const [name = ''] = /gateway\/intake\/\d+-\d+/.exec(listed.stdout) ?? []
  t.match(await inTurn(['dead', 'show', name], environment), { code: 0, stdout: /\["historyId","1001"\]/ })
  t.match(lastJson(await inTurn(['dead', 'redrive', name, '--json'], environment)), { redriven: 1 })
  await until(async () => (await readIntake(redis.client, keys)).dead === 1, 'it is dead-lettered again')
  t.match(lastJson(await inTurn(['dead', 'drop', '--all', '--json'], environment)), { dropped: 1 })
  t.match(lastJson(await inTurn(['status', '--json'], environment)), { intake: { dead: 0 }, arrivals: { posted: 0 } })
  gateway.kill('SIGTERM')
  t.equal((await gateway.exited).code, 0)
})

t.test('a gateway killed before the acknowledgement causes no duplicate', async t => {
  const { prefix, keys } = fresh()
  await connectMailbox(redis.client, keys, ANA, 'history:1000', 0)
  const proxy = await startProxy(redis.port)
  t.teardown(() => proxy.close())
  const environment = { REDIS_PREFIX: prefix, PARTITIONS: '2' }
  const gateway = await startGatewayProcess(t, { ...environment, REDIS_URL: proxy.url })
  const held = proxy.holdBefore(new RegExp(`\\r\\nxack\\r\\n\\$\\d+\\r\\n${keys.intake}\\r\\n`, 'i'))
  await redis.client.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', '1001')
  await held.struck
  t.equal((await eventsOf({ redis: redis.client, keys })).length, 1, 'it was written')
  t.match(await readIntake(redis.client, keys), { inWork: 1 }, 'it is not acknowledged')
  gateway.kill('SIGKILL')
  await gateway.exited
  await startGatewayProcess(t, { ...environment, REDIS_URL: redis.url })
  await until(async () => (await readIntake(redis.client, keys)).inWork === 0, 'another has acknowledged it')
  t.equal((await eventsOf({ redis: redis.client, keys })).length, 1, 'it has arrived once')
  t.match(await countArrivals(redis.client, keys), { posted: 1, duplicate: 1 })
})

t.test('several gateways process each intake entry once', async t => {
  const { prefix, keys } = fresh()
  const settings = { REDIS_PREFIX: prefix }
  const gateways = await Promise.all([1, 2, 3].map(() => openGateway(t, redis.url, google, { settings })))
  const pipeline = redis.client.pipeline()
  for (let n = 0; n < 300; n += 1)
    pipeline.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', `${2000 + n}`)
  await pipeline.exec()
  await gateways[0]?.stop()
  await until(async () => (await eventsOf({ redis: redis.client, keys })).length >= 300, 'all have arrived')
  await until(async () => (await readIntake(redis.client, keys)).inWork === 0, 'all are acknowledged')
  const ids = (await eventsOf({ redis: redis.client, keys })).map(({ body }) => body.historyId)
  t.equal(ids.length, 300)
  t.equal(new Set(ids).size, 300)
})

t.test('the intake survives an outage of Redis and a missing group', async t => {
  const own = await startRedis('--appendonly', 'yes')
  t.teardown(() => own.stop())
  const { app } = await openGateway(t, own.url, google)
  const { keys } = app
  const write = (historyId: number) =>
    own.client.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', `${historyId}`)
  await write(1001)
  await until(async () => (await eventsOf({ redis: own.client, keys })).length === 1, 'the first has arrived')
  await own.restart()
  await write(1002)
  await until(async () => (await eventsOf({ redis: own.client, keys })).length === 2, 'the second has arrived')
  await own.client.xgroup('DESTROY', keys.intake, GATEWAY)
  await write(1003)
  await until(async () => (await eventsOf({ redis: own.client, keys })).length >= 3, 'the third has arrived')
  t.equal((await eventsOf({ redis: own.client, keys })).length, 3, 'no entry is duplicated')
})

t.test('the intake works on the JavaScript Redis', async t => {
  const js = await startJsRedis()
  t.teardown(() => js.close())
  const { app, push } = await openGateway(t, js.url, google)
  const { keys } = app
  t.equal((await push()).status, 204)
  await app.redis.xadd(keys.intake, '*', 'emailAddress', 'ana@example.com', 'historyId', '1002')
  await app.redis.xadd(keys.intake, '*', 'hello', 'world')
  await until(async () => (await readIntake(app.redis, keys)).dead === 1, 'the bad one is dead-lettered')
  await until(async () => (await eventsOf(app)).length === 2, 'the good one has arrived')
  const [letter] = await listDead(app.redis, keys)
  t.ok(letter && (await redriveDead(app.redis, keys, letter, { now: Date.now(), newRunId: 'run' })))
  await until(async () => (await listDead(app.redis, keys))[0]?.name !== letter?.name, 'it is dead-lettered again')
})

t.test('only processed entries are trimmed after the retention', async t => {
  const { keys } = fresh()
  const old = Date.now() - 3_600_000
  await redis.client.xgroup('CREATE', keys.intake, GATEWAY, '0', 'MKSTREAM')
  for (const n of [1, 2, 3]) await redis.client.xadd(keys.intake, `${old}-${n}`, 'emailAddress', 'ana@example.com')
  await redis.client.call('XREADGROUP', 'GROUP', GATEWAY, 'one', 'COUNT', 2, 'STREAMS', keys.intake, '>')
  await redis.client.xack(keys.intake, GATEWAY, `${old}-1`)
  t.equal(await trimIntake(redis.client, keys, 7_200_000), 0)
  t.equal(await trimIntake(redis.client, keys, 60_000), 1)
  t.equal(await redis.client.xlen(keys.intake), 2)
})

let prefixes = 0
function fresh() {
  prefixes += 1
  const prefix = `intake${prefixes}`
  return { prefix, keys: createKeys(prefix, 2) }
}

async function startGatewayProcess(t: Test, environment: Record<string, string>): Promise<Process> {
  const gateway = start(['gateway', '--port', '0'], { ...environment, GATEWAY_HOST: '127.0.0.1', LOG_LEVEL: 'info' })
  t.teardown(async () => {
    gateway.kill('SIGKILL')
    await gateway.exited
  })
  await until(() => gateway.stderr().includes('gateway listening'), 'the gateway listens')
  return gateway
}
