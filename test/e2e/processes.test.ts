import t, { type Test } from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { STAGE_NAMES, type StageName } from '../../shared/stage.ts'
import { lastJson, type Process, run, start } from '../support/processes.ts'
import type { TestRedis } from '../support/redis.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'
import { until } from '../support/until.ts'

const ANA = 'gmail:ana@example.com'
const MESSAGES = 240
const THREADS = 60
const DONE = { ok: true, messages: MESSAGES, threads: THREADS, tasks: THREADS, fates: { gone: 0, dead: 0 } }

t.test('six processes give the same result as one', async t => {
  const { environment, redis } = await setUp(t)
  const processes = startAll(t, environment)
  const followed = await run(['sync', ANA, '--json'], environment)
  t.equal(followed.code, 0, followed.stderr)
  const all = lastJson(followed)
  t.match(all, { ...DONE, calls: { list: 1 } })
  const apart = await tasksOf(redis)

  const alone = await setUp(t)
  const once = await run(['up', '--once', '--json'], alone.environment)
  t.match(lastJson(once), { ...DONE, calls: { list: 1 } })
  t.same(apart, await tasksOf(alone.redis), 'the same tasks')

  for (const process of processes.values()) process.kill('SIGTERM')
  const ends = await Promise.all([...processes.values()].map(({ exited }) => exited))
  t.same(
    ends.map(({ code }) => code),
    [0, 0, 0, 0, 0, 0],
    'each stops when asked to',
  )
})

for (const victim of STAGE_NAMES) {
  t.test(`${victim} killed mid-run and restarted: the same tasks, each once`, async t => {
    const { environment, redis } = await setUp(t)
    const processes = startAll(t, environment)
    const followed = run(['sync', ANA, '--json'], environment)
    await until(() => isInTheMiddle(redis, victim), `${victim} is in the middle of its work`)
    processes.get(victim)?.kill('SIGKILL')
    await processes.get(victim)?.exited
    const again = start(['stage', victim], environment)
    t.teardown(() => again.kill('SIGKILL'))
    const finished = await followed
    t.equal(finished.code, 0, finished.stderr)
    t.match(lastJson(finished), DONE)
    const tasks = await tasksOf(redis)
    t.equal(tasks.length, THREADS, 'every thread once')
    t.equal(new Set(tasks).size, THREADS, 'no thread twice')
  })
}

function setUp(t: Test) {
  return setUpForProcesses(t, { profile: 'live', messages: MESSAGES, threads: THREADS })
}

function startAll(t: Test, environment: Record<string, string>): Map<StageName, Process> {
  const processes = new Map(STAGE_NAMES.map(name => [name, start(['stage', name], environment)]))
  t.teardown(() => {
    for (const process of processes.values()) process.kill('SIGKILL')
  })
  return processes
}

/** Returns whether a stage has read some of its work. */
async function isInTheMiddle({ client }: TestRedis, stage: StageName): Promise<boolean> {
  const keys = createKeys('mailsluice', 8)
  const partition = keys.partitionOf(ANA)
  const read = {
    'list-ids': 'watch-events',
    'cache-filter': 'message-ids',
    'batch-fetch': 'missing-ids',
    merge: 'fetched-messages',
    'thread-group': 'merged',
    'ai-dispatch': 'threads',
  }
  for (const lane of ['live', 'bulk'] as const) {
    const groups = (await client
      .xinfo('GROUPS', keys.stream(partition, read[stage], lane))
      .catch(() => [])) as unknown[][]
    if (groups.some(fields => fields[fields.indexOf('last-delivered-id') + 1] !== '0-0')) return true
  }
  return false
}

async function tasksOf({ client }: TestRedis): Promise<string[]> {
  const keys = createKeys('mailsluice', 8)
  const entries = await Promise.all(
    (['live', 'bulk'] as const).map(lane =>
      client.xrange(keys.stream(keys.partitionOf(ANA), 'analysis-tasks', lane), '-', '+'),
    ),
  )
  return entries
    .flat()
    .map(([, fields]) => (JSON.parse(fields[1] ?? '') as { body: { task: string } }).body.task)
    .sort()
}
