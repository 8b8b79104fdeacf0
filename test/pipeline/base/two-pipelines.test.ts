import t, { type Test } from 'tap'
import { openMailboxes } from '../../../pipeline/accounts/mailboxes.ts'
import { requestSync } from '../../../pipeline/accounts/request-sync.ts'
import { openApp } from '../../../pipeline/base/app.ts'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { startGateway } from '../../../pipeline/gateway/gateway.ts'
import { keeperOf } from '../../../pipeline/keeper/duties.ts'
import { startStages } from '../../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../../shared/config.ts'
import { LANES } from '../../../shared/envelope.ts'
import { connectMailbox, readMailbox } from '../../../shared/redis/mailboxes.ts'
import { analysisTasks } from '../../../shared/streams.ts'
import type { Task } from '../../../shared/task/schema.ts'
import { startGmail } from '../../../sim/gmail.ts'
import { logTo } from '../../support/gateway.ts'
import { everything } from '../../support/keyspace.ts'
import { numberedMail, testMailbox } from '../../support/mail.ts'
import { ANA } from '../../support/pipeline.ts'
import { recordedSurroundings } from '../../support/recorded-surroundings.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const ADDRESS = 'ana@example.com'
const PUSHES = { audience: 'https://mail.example.com', serviceAccount: 'push@simulated.iam.gserviceaccount.com' }
const HALF_HOUR_MS = 1_800_000
const signal = new AbortController().signal
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('two pipelines run in one process, and one goes on when the other stops', async t => {
  const mine = (await redis.client.client('LIST')) as string
  // The same mailbox at two providers: nothing that is kept by its name may be shared.
  const first = await open(t, {
    name: 'first',
    mails: 6,
    settings: { PROMPT_VERSION: '1', CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1', PARTITIONS: '1' },
    machine: { dateAheadMs: HALF_HOUR_MS, elapsedAheadMs: 5_000_000_000, idByte: 0xaa },
  })
  const second = await open(t, {
    name: 'second',
    mails: 4,
    settings: { PROMPT_VERSION: '2', GMAIL_BATCH_SIZE: '2', PARTITIONS: '3' },
    machine: { dateAheadMs: 0, elapsedAheadMs: 0, idByte: 0xbb },
  })
  await Promise.all([first.sync(), second.sync()])
  t.equal((await first.mails()).length, 6)
  t.equal((await second.mails()).length, 4)
  t.ok(Math.abs(first.app.now() - second.app.now()) < 1000, 'both go by the time of Redis')

  first.sim.deliver(ADDRESS, numberedMail(100))
  second.sim.deliver(ADDRESS, numberedMail(200))
  await until(async () => (await first.mails()).includes('Subject 100'), 'the first was pushed its mail')
  await until(async () => (await second.mails()).includes('Subject 200'), 'the second was pushed its mail')

  await t.test('an outage of one is none of the other', async t => {
    first.sim.faults.set({ rates: { unavailable: 1 } })
    first.sim.deliver(ADDRESS, numberedMail(101))
    await until(() => first.log.some(line => /provider unavailable; pausing/.test(line)), 'the first pauses its calls')
    second.sim.deliver(ADDRESS, numberedMail(201))
    const isFetched = async () => (await second.mails()).includes('Subject 201')
    await until(isFetched, 'the second fetches its mail', 10_000)
    t.same(second.alarms(), [])
    first.sim.faults.set({})
  })

  await t.test('each has its own ids, connections and settings', async t => {
    t.not(first.agent(), second.agent())
    t.same([...first.taken.hosts], [new URL(first.sim.url).host])
    t.same([...second.taken.hosts], [new URL(second.sim.url).host])
    t.same(new Set((await first.tasks()).map(({ promptVersion }) => promptVersion)), new Set(['1']))
    t.same(new Set((await second.tasks()).map(({ promptVersion }) => promptVersion)), new Set(['2']))
    t.match(await first.consumers(), [/:aa[\da-f]{4}$/])
    t.match(await second.consumers(), [/:bb[\da-f]{4}$/])
  })

  await first.stop()
  const [keys, lines] = [await keysOf('first'), first.log.length]
  t.equal(first.taken.timers(), 0, 'the stopped one has no timer')
  t.ok(second.taken.timers() > 0)
  t.ok(
    first.taken.connections.every(({ status }) => status === 'end'),
    'the stopped one has no connection',
  )

  second.sim.deliver(ADDRESS, numberedMail(202))
  await until(async () => (await second.mails()).includes('Subject 202'), 'the other one goes on')
  t.same(second.alarms(), [])
  t.equal(first.log.length, lines, 'nothing is logged for the stopped one')
  t.same(await keysOf('first'), keys, 'nothing of the stopped one changes')

  await second.stop()
  t.equal(second.taken.timers(), 0)
  t.same(await others(mine), [], 'neither opened a connection beside its surroundings')
})

async function open(
  t: Test,
  options: {
    name: string
    mails: number
    settings: Record<string, string>
    machine: Parameters<typeof recordedSurroundings>[1]
  },
) {
  const { name, mails, settings, machine } = options
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox(ADDRESS, mails, mails)] })
  const config = readConfig({
    ...settings,
    REDIS_PREFIX: name,
    LEASE_MS: '1000',
    INITIAL_SYNC: 'all',
    SIM_URL: sim.url,
    GATEWAY_HOST: '127.0.0.1',
    GMAIL_PUBSUB_TOPIC: 'projects/project/topics/gmail',
    GMAIL_PUSH_AUDIENCE: PUSHES.audience,
    GMAIL_PUSH_SERVICE_ACCOUNT: PUSHES.serviceAccount,
    GMAIL_PUSH_CERTS_URL: `${sim.url}/oauth2/v3/certs`,
  })
  const log: string[] = []
  const lines = { ...logTo(log), child: () => logTo(log) }
  const taken = recordedSurroundings(config, machine)
  const app = await openApp(config, redis.url, { ...taken.surroundings, log: lines })
  const mailboxes = openMailboxes(config, sim.url, app)
  const stages = startStages(STAGES, app, { mailboxes, log: lines })
  const gateway = await startGateway(app, { port: 0, log: lines })
  const keeper = keeperOf(app, lines, mailboxes)
  sim.pushes.set({ to: { url: `http://127.0.0.1:${gateway.port}/gmail/push`, ...PUSHES } })
  let stopped: Promise<void> | undefined
  t.teardown(stop)
  t.teardown(() => sim.close())
  return { app, sim, log, taken, stop, sync, mails: subjects, tasks, consumers, alarms, agent }

  function stop(): Promise<void> {
    stopped ??= Promise.all([gateway.stop(2000), stages.stop(5000), keeper.stop()]).then(() => {
      app.close()
      taken.surroundings.http.close()
    })
    return stopped
  }

  async function sync(): Promise<void> {
    const call = { signal, meter: () => undefined }
    const { cursor } = await mailboxes(ANA).open(call)
    await connectMailbox(app.redis, app.keys, ANA, cursor, app.now())
    await requestSync(app, ANA)
    const isSynced = async () => {
      const record = await readMailbox(app.redis, app.keys, ANA)
      return record?.synced && record.activeRun === undefined && (await subjects()).length >= mails
    }
    await until(isSynced, `${name} is synced`)
    await mailboxes(ANA).watch(call)
  }

  async function tasks(): Promise<Task[]> {
    const keys = LANES.map(lane => app.keys.stream(app.keys.partitionOf(ANA), analysisTasks.name, lane))
    const entries = await Promise.all(keys.map(key => redis.client.xrange(key, '-', '+')))
    return entries.flat().map(([, fields]) => (JSON.parse(fields[1] ?? '') as { body: Task }).body)
  }

  async function subjects(): Promise<string[]> {
    return (await tasks()).map(({ subject }) => subject)
  }

  async function consumers(): Promise<string[]> {
    const stream = app.keys.stream(app.keys.partitionOf(ANA), 'watch-events', 'live')
    const found = (await redis.client.call('XINFO', 'CONSUMERS', stream, 'list-ids')) as string[][]
    return found.map(([, consumer = '']) => consumer)
  }

  function alarms(): string[] {
    return log.filter(line => /^(warn|error)/.test(line))
  }

  function agent() {
    return taken.surroundings.http.forGoogle().agent(new URL(sim.url))
  }
}

async function keysOf(name: string): Promise<string[]> {
  return (await everything(redis as TestRedis)).filter(text => text.startsWith(`${name}:`))
}

/** The connections to Redis that are not in a list of them. One that was closed may be listed for a moment. */
async function others(mine: string): Promise<string[]> {
  const known = new Set(mine.split('\n').map(line => line.split(' ')[0]))
  const left = async () => {
    const all = ((await redis.client.client('LIST')) as string).trim().split('\n')
    return all.filter(line => !known.has(line.split(' ')[0]))
  }
  await until(async () => (await left()).length === 0, 'every connection is closed', 2000).catch(() => undefined)
  return left()
}
