import type { AppContext } from '../../pipeline/base/app.ts'
import { LANES } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { Changes, MailboxId } from '../../shared/mailbox.ts'
import { takeIn } from '../../shared/redis/arrivals.ts'
import { listDead, redriveDead } from '../../shared/redis/dead.ts'
import { connectMailbox, pauseMailbox, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import { listRuns, type RunRecord } from '../../shared/redis/runs.ts'
import { analysisResults, analysisTasks } from '../../shared/streams.ts'
import { type FakeMailbox, fakeMailbox } from './fake-mailbox.ts'
import { createSteps, type Steps } from './steps.ts'

type StepOptions = Omit<Parameters<typeof createSteps>[0], 'app' | 'mailbox' | 'id'>

/** A scenario of a mailbox with every kind of fact, and its final state. */
export interface Life {
  tasks: string[]
  runs: RunRecord[]
  /** Runs with dead letters, each once, because a repeated entry is dead-lettered twice. */
  dead: string[]
  /** The answered tasks, each once, because an answer may be written twice. */
  answered: string[]
  /** Fields of the mailbox that only an active run may set. */
  left: string[]
}

const BO: MailboxId = 'gmail:bo@example.com'

/** Runs the scenario. A connection with refusals reaches the same state. */
export async function live(app: AppContext, options: StepOptions = {}): Promise<Life> {
  const { redis, keys, now, newRunId } = app
  const fake: FakeMailbox = Object.assign(fakeMailbox(4), { silentAfterPushMs: 1000 })
  const sick = new Set<string>()
  // The number of failed fetches before one succeeds.
  const ailing = new Map<string, number>()
  // The number of failed listings before one succeeds.
  let silent = 0
  fake.before = (kind, wanted) => {
    if (kind === 'changes' && silent > 0) {
      silent -= 1
      throw new MailError('unavailable', 'not now')
    }
    if (kind === 'changes' && sick.has('changes')) throw new MailError('rejected', 'no listing')
    if (wanted.some(({ id }) => sick.has(id))) throw new MailError('rejected', 'no')
    for (const { id } of wanted) {
      const left = ailing.get(id) ?? 0
      ailing.set(id, left - 1)
      if (left > 0) throw new MailError('unavailable', 'not now')
    }
  }
  const reported: Partial<Changes>[] = []
  const { changes } = fake
  fake.changes = async (since, page, call) => ({ ...(await changes(since, page, call)), ...reported.shift() })
  let isSending = false
  const steps: Steps = await createSteps({ app, mailbox: fake, id: BO, isSending: () => isSending, ...options })
  const ask = async <T>(what: () => Promise<T>): Promise<T> => {
    await options.before?.()
    return steps.untilDone(what)
  }
  let pushes = 0
  const push = () => {
    pushes += 1
    const run = `run-${pushes}`
    return ask(() => takeIn(redis, keys, { id: run, mailbox: BO, run, body: { cause: 'push' }, stale: false }, now()))
  }

  // A first sync of two pages.
  await ask(() => connectMailbox(redis, keys, BO, 'pinned:0:0', now()))
  fake.deliver(6, 3)
  await push()
  await steps.drain()
  // Mail arrives, disappears and changes; the cache has lost mail of a thread.
  fake.deliver(2, 3)
  fake.remove('m1')
  fake.relabel('m2', ['STARRED', 'IMPORTANT'])
  await steps.untilDone(() => redis.del(keys.message(BO, 'm0'), keys.message(BO, 'm4')))
  await push()
  await push()
  await steps.drain()
  // Pushes arrive during a pause.
  await ask(() => pauseMailbox(redis, keys, BO, now()))
  fake.deliver(1, 3)
  await push()
  await push()
  await steps.drain()
  await ask(() => resumeMailbox(redis, keys, BO, { unpause: true, now: now() }))
  await steps.drain()
  // The provider has forgotten its history.
  reported.push({ ids: [], gone: [], labels: [], reset: true })
  fake.remove('m3')
  await push()
  await steps.drain()
  // Mail leaves a folder, and is still there.
  reported.push({ left: ['m5'] })
  fake.deliver(5, 3)
  await push()
  await steps.drain()
  // A fetch fails, then succeeds.
  fake.deliver(1, 3)
  sick.add('m14')
  await push()
  await steps.drain()
  sick.clear()
  const letters = await steps.untilDone(() => listDead(redis, keys))
  for (const letter of letters) await ask(() => redriveDead(redis, keys, letter, { now: now(), newRunId: newRunId() }))
  await steps.drain()
  // A listing fails and then succeeds; a message is deferred, and returns.
  fake.deliver(2, 3)
  ailing.set('m15', 4)
  silent = 2
  await push()
  await steps.drain()
  // A sink takes the tasks.
  isSending = true
  fake.deliver(2, 3)
  await push()
  await steps.drain()
  isSending = false
  // A listing is refused.
  sick.add('changes')
  await push()
  await steps.drain()
  sick.clear()

  const tasks = await tasksIn(analysisTasks)
  const record = await redis.hgetall(keys.mailbox(BO))
  return {
    tasks,
    answered: [...new Set(await tasksIn(analysisResults))],
    runs: await listRuns(redis, keys, 100),
    dead: [...new Set((await listDead(redis, keys)).map(({ text }) => (JSON.parse(text) as { run: string }).run))],
    left: ['activeRun', 'dirty', 'lookAfterRun', 'pausedAt', 'parkedEvent'].filter(field => field in record),
  }

  async function tasksIn({ name }: { name: string }): Promise<string[]> {
    const entries = await Promise.all(
      LANES.map(lane => redis.xrange(keys.stream(keys.partitionOf(BO), name, lane), '-', '+')),
    )
    const written = entries.flat().map(([, fields]) => JSON.parse(fields[1] ?? '') as { body: { task: string } })
    return written.map(({ body }) => body.task)
  }
}

/** Returns the counters of a scenario, run by run. */
export function sumsOf({ runs }: Life) {
  return runs.map(({ run, cause, listed, fates, threads, tasks, unchanged, deleted, settled, addsUp, failure }) => ({
    run: cause === 'push' ? run : '',
    cause,
    listed,
    fates,
    threads,
    tasks,
    unchanged,
    deleted,
    settled,
    addsUp,
    failure,
  }))
}
