import type { MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { createQueue } from '../../shared/redis/queue.ts'
import { type RunRecord, readRun } from '../../shared/redis/runs.ts'
import type { Stage } from '../../shared/stage.ts'
import { analysisTasks } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'
import { sleep } from '../base/wait.ts'
import { type Comparison, compare } from '../records/diff.ts'
import type { Emission } from '../records/lineage.ts'
import { byEntry, grouped, type Recorded, recordedIn, throwIfStopped } from '../records/recorded.ts'
import { startStages } from '../runtime/start-stages.ts'
import { readRecordedRuns } from './recorded-runs.ts'
import { isLabelChange, supersededThreads, threadEntryOf } from './relabelled.ts'
import { createReplayMailboxes } from './replay-mailbox.ts'
import { replayStateOf } from './replay-state.ts'
import type { Sandbox } from './sandbox.ts'
import { seedSandbox } from './seed-sandbox.ts'

/** The result of a replay in a sandbox: its runs, and the differences between its tasks and the recorded ones of the same threads. */
export interface Replayed extends Comparison {
  sandbox: string
  /** The number of inputs written; the others follow from these, or their records have expired. */
  inputs: number
  leftOut: number
  runs: readonly RunRecord[]
  /** Threads that are not compared, as `mailbox/thread`: their messages are no longer cached, or labels have changed since. */
  changedSince: readonly string[]
  /** Messages that only the provider could supply: they count as gone in the sandbox. */
  notAtHand: readonly string[]
}

interface ReplayedRun {
  mailbox: MailboxId
  run: string
  threads: ReadonlySet<string>
}

const POLL_MS = 20

/**
 * Replays inputs in a sandbox, run by run, with every stage running there and no provider call. Only reads the real namespace.
 * Throws when aborted; the sandbox expires in that case too.
 */
export async function replayInto(
  app: AppContext,
  sandbox: Sandbox,
  options: {
    stage: Stage
    inputs: readonly Recorded[]
    log: Log & { child(fields: object): Log }
    signal: AbortSignal
  },
): Promise<Replayed> {
  const { stage, inputs, log, signal } = options
  const mailboxes = createReplayMailboxes(app)
  const replayed: ReplayedRun[] = []
  let written = 0
  await prepareStreams(sandbox)
  const stages = startStages(STAGES, sandbox.app, { mailboxes: mailboxes.of, log })
  try {
    for (const [mailbox, ofMailbox] of grouped(inputs, ({ envelope }) => envelope.mailbox) as Map<
      MailboxId,
      Recorded[]
    >) {
      const runs = grouped(ofMailbox, ({ envelope }) => envelope.run)
      const recorded = await readRecordedRuns(app, mailbox, new Set(runs.keys()), signal)
      for (const [run, ofRun] of runs) {
        // A watch event that another run handled started no run.
        if (!(await readRun(app.redis, app.keys, app.keys.partitionOf(mailbox), run))) continue
        const state = replayStateOf(stage.name, run, ofRun, recorded)
        mailboxes.select(run, recorded)
        await seedSandbox({ app, sandbox, state, of: { run, mailbox }, recorded })
        written += state.inputs.length
        replayed.push({ mailbox, run, threads: state.threads })
        await untilIdle(sandbox.app, signal)
      }
    }
  } finally {
    await stages.stop(sandbox.app.config.DRAIN_MS)
    await sandbox.expireAll()
  }
  const { redis, keys } = sandbox.app
  const runs = await Promise.all(
    replayed.map(({ mailbox, run }) => readRun(redis, keys, keys.partitionOf(mailbox), run)),
  )
  const notAtHand = mailboxes.notAtHand()
  return {
    sandbox: sandbox.prefix,
    inputs: written,
    leftOut: inputs.length - written,
    runs: runs.filter(run => run !== undefined),
    ...(await compareTasks(app, sandbox, { replayed, notAtHand, signal })),
    notAtHand,
  }
}

// Writing to a stream keeps its TTL, so no stream outlives a process that is killed.
async function prepareStreams(sandbox: Sandbox): Promise<void> {
  const { redis, keys, now } = sandbox.app
  for (const { name: stage, reads } of STAGES) {
    const streams = reads.map(({ name }) => name)
    await createQueue({ redis, keys, stage, streams, consumer: 'replay', now }).createGroups()
  }
  await sandbox.expireAll()
}

async function untilIdle({ redis, keys, surroundings }: AppContext, signal: AbortSignal): Promise<void> {
  for (let idle = 0; idle < 2; ) {
    throwIfStopped(signal)
    const backlog = await readBacklog(redis, keys, STAGES)
    const busy = backlog.some(({ waiting, inWork, delayed }) => (waiting ?? 0) + inWork + delayed > 0)
    idle = busy ? 0 : idle + 1
    await sleep(POLL_MS, signal, surroundings.machine)
  }
}

// A release may have another number or lane in the sandbox, so tasks are matched by thread version, or else by run.
async function compareTasks(
  app: AppContext,
  sandbox: Sandbox,
  {
    replayed,
    notAtHand,
    signal,
  }: { replayed: readonly ReplayedRun[]; notAtHand: readonly string[]; signal: AbortSignal },
): Promise<Comparison & { changedSince: readonly string[] }> {
  const runs = new Map(replayed.map(({ run, threads }) => [run, threads]))
  const newTasks = await tasksIn(sandbox.app, () => true, signal)
  const versionsNow = versionsOf(newTasks)
  const recordedTasks = await tasksIn(
    app,
    ({ envelope: { run, body } }) => versionsNow.has(body.task) || runs.get(run)?.has(body.thread) === true,
    signal,
  )
  const superseded = await supersededThreads(app, { signal })
  const newByName = lastOfRuns(newTasks)
  const changed = [...lastOfRuns(recordedTasks)].filter(([name, before]) => {
    const { id, body } = before.envelope
    const after = newByName.get(name)
    const { differences } = after ? compare([emission(before, name)], [emission(after, name)]) : { differences: [] }
    const isRelabelled = superseded.has(threadEntryOf(id)) && differences.some(isLabelChange)
    return isRelabelled || body.messages.some(message => notAtHand.includes(message.id))
  })
  // A thread counts as equal when another recorded run produced the version that the sandbox produces.
  const changedSince = new Set(changed.map(([, { envelope }]) => threadOf(envelope.body)))
  const versionsThen = versionsOf(recordedTasks)
  const isSame = (task: string) => versionsNow.has(task) && versionsThen.has(task)
  const named = (entries: readonly Recorded<Task>[]) =>
    [...lastOfRuns(entries)].flatMap(([name, entry]) => {
      const { body } = entry.envelope
      return changedSince.has(threadOf(body)) ? [] : [emission(entry, isSame(body.task) ? body.task : name)]
    })
  return { ...compare(named(recordedTasks), named(newTasks)), changedSince: [...changedSince] }
}

// A long run emits a thread more than once; a replay is quick and emits only the last version.
function lastOfRuns(entries: readonly Recorded<Task>[]): Map<string, Recorded<Task>> {
  return new Map(entries.toSorted(byEntry).map(entry => [`${entry.envelope.run}/${entry.envelope.body.thread}`, entry]))
}

function threadOf({ mailbox, thread }: Task): string {
  return `${mailbox}/${thread}`
}

function emission({ stream, envelope }: Recorded<Task>, id: string): Emission {
  return { stream, id, lane: 'live', body: envelope.body }
}

function versionsOf(tasks: readonly Recorded<Task>[]): Set<string> {
  return new Set(tasks.map(({ envelope }) => envelope.body.task))
}

async function tasksIn(app: AppContext, matches: (entry: Recorded<Task>) => boolean, signal: AbortSignal) {
  const found: Recorded<Task>[] = []
  for await (const entry of recordedIn(app, analysisTasks, { signal })) if (matches(entry)) found.push(entry)
  return found
}
