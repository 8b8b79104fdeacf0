import t from 'tap'
import type { MailboxId } from '../../shared/mailbox.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import { type SENDER, STAGE_NAMES, type StageName } from '../../shared/stage.ts'
import { inTurn, lastJson, start } from '../support/processes.ts'
import type { TestRedis } from '../support/redis.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'
import { until } from '../support/until.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const MESSAGES = 240
const THREADS = 60
const DONE = { ok: true, messages: MESSAGES, threads: THREADS, tasks: THREADS, fates: { gone: 0, dead: 0 } }

const keys = createKeys('mailsluice', 8)
const TO_SYNC = { profile: 'live', messages: MESSAGES, threads: THREADS } as const

// The same six serve all tests, as a start takes longer than a sync. Each test syncs a mailbox of its own.
const { environment, redis } = await setUpForProcesses(t, {
  ...TO_SYNC,
  addresses: ['ana', ...STAGE_NAMES].map(name => `${name}@example.com`),
})
const processes = new Map(STAGE_NAMES.map(name => [name, start(['stage', name], environment)]))
t.teardown(() => {
  for (const process of processes.values()) process.kill('SIGKILL')
})

t.test('six processes give the same result as one', async t => {
  // A sync waits ten seconds for progress; six starts may take longer on a busy machine.
  await Promise.all(STAGE_NAMES.map(isRunning))
  const followed = await inTurn(['sync', ANA, '--json'], environment)
  t.equal(followed.code, 0, followed.stderr)
  t.match(lastJson(followed), { ...DONE, calls: { list: 1 } })
  const alone = await setUpForProcesses(t, TO_SYNC)
  const once = await inTurn(['up', '--once', '--json'], alone.environment)
  t.match(lastJson(once), { ...DONE, calls: { list: 1 } })
  t.same(await tasksOf(redis, ANA), await tasksOf(alone.redis, ANA), 'the same tasks')
})

let atWork = 0
for (const victim of STAGE_NAMES) {
  t.test(`${victim} killed mid-run and restarted: the same tasks, each once`, async t => {
    const mailbox: MailboxId = `gmail:${victim}@example.com`
    const followed = inTurn(['sync', mailbox, '--json'], environment)
    let isOver = false
    void followed.finally(() => {
      isOver = true
    })
    const stage = processes.get(victim)
    let before = await readBy(redis, victim, mailbox)
    // Looks without a pause, because a warm process is done with a batch in a few milliseconds; stopped, it keeps what it holds.
    await until(async () => {
      for (let looks = 0; looks < 500 && !isOver; looks += 1) {
        const read = await readBy(redis, victim, mailbox)
        if (read === before) continue
        before = read
        stage?.kill('SIGSTOP')
        if (await isAtWork(redis, victim, mailbox)) {
          atWork += 1
          return true
        }
        stage?.kill('SIGCONT')
      }
      return isOver
    }, `${victim} is in the middle of its work`)
    stage?.kill('SIGKILL')
    await processes.get(victim)?.exited
    processes.set(victim, start(['stage', victim], environment))
    const finished = await followed
    t.equal(finished.code, 0, finished.stderr)
    t.match(lastJson(finished), DONE)
    const tasks = await tasksOf(redis, mailbox)
    t.equal(tasks.length, THREADS, 'every thread once')
    t.equal(new Set(tasks).size, THREADS, 'no thread twice')
  })
}

t.test('most of the kills hit a stage at work', async t => {
  t.ok(atWork > STAGE_NAMES.length / 2, `${atWork} of ${STAGE_NAMES.length}`)
})

t.test('each stops when asked to', async t => {
  for (const process of processes.values()) process.kill('SIGTERM')
  const ends = await Promise.all([...processes.values()].map(({ exited }) => exited))
  t.same(
    ends.map(({ code }) => code),
    [0, 0, 0, 0, 0, 0],
  )
})

type Name = Exclude<StageName, typeof SENDER>

async function isRunning(stage: Name): Promise<void> {
  const process = processes.get(stage)
  const line = `${stage} is running`
  await until(async () => `${process?.stdout()}${process?.stderr()}`.includes(line), line)
}

const READ = {
  'list-ids': 'watch-events',
  'cache-filter': 'message-ids',
  'batch-fetch': 'missing-ids',
  merge: 'fetched-messages',
  'thread-group': 'merged',
  'ai-dispatch': 'threads',
} as const

/** Returns whether a stage has read work in the partition of a mailbox that it has not acknowledged. */
async function isAtWork({ client }: TestRedis, stage: Name, mailbox: MailboxId): Promise<boolean> {
  const streams = (['live', 'bulk'] as const).map(lane => keys.stream(keys.partitionOf(mailbox), READ[stage], lane))
  const pending = await Promise.all(streams.map(stream => client.xpending(stream, stage).catch(() => [0])))
  return pending.some(([count]) => Number(count) > 0)
}

/** Returns how far a stage has read its work in the partition of a mailbox. */
async function readBy({ client }: TestRedis, stage: Name, mailbox: MailboxId): Promise<string> {
  const places: string[] = []
  for (const lane of ['live', 'bulk'] as const) {
    const stream = keys.stream(keys.partitionOf(mailbox), READ[stage], lane)
    const groups = (await client.xinfo('GROUPS', stream).catch(() => [])) as unknown[][]
    const ids = groups.map(fields => `${fields[fields.indexOf('last-delivered-id') + 1]}`)
    places.push(...ids.filter(id => id !== '0-0'))
  }
  return places.join(' ')
}

async function tasksOf({ client }: TestRedis, mailbox: MailboxId): Promise<string[]> {
  const partition = keys.partitionOf(mailbox)
  const entries = await Promise.all(
    (['live', 'bulk'] as const).map(lane => client.xrange(keys.stream(partition, 'analysis-tasks', lane), '-', '+')),
  )
  return entries
    .flat()
    .map(([, fields]) => JSON.parse(fields[1] ?? '') as { mailbox: string; body: { task: string } })
    .filter(envelope => envelope.mailbox === mailbox)
    .map(({ body }) => body.task)
    .sort()
}
