import type { MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { createQueue } from '../../shared/redis/queue.ts'
import { type RunRecord, readRun } from '../../shared/redis/runs.ts'
import type { Stage } from '../../shared/stage.ts'
import { analysisTasks } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/task.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'
import { sleep } from '../base/wait.ts'
import { type Comparison, compare } from '../records/diff.ts'
import type { Emission } from '../records/lineage.ts'
import { byEntry, grouped, type Recorded, recordedIn, throwIfStopped } from '../records/recorded.ts'
import { startStages } from '../runtime/start-stages.ts'
import { readRecordedRuns } from './recorded-runs.ts'
import { isOfLabels, overtakenThreads, threadEntryOf } from './relabelled.ts'
import { createReplayMailboxes } from './replay-mailbox.ts'
import { replayStateOf } from './replay-state.ts'
import type { Sandbox } from './sandbox.ts'
import { seedSandbox } from './seed-sandbox.ts'

/** What came out of a sandbox, and how its tasks differ from the recorded ones of the same threads. */
export interface Replayed extends Comparison {
  sandbox: string
  /** Inputs that were put in; the others follow from these, or their surroundings are not recorded any more. */
  inputs: number
  leftOut: number
  runs: readonly RunRecord[]
  /** Threads that are not compared, as `mailbox/thread`: their mail has left the cache, or its labels have changed since. */
  changedSince: readonly string[]
  /** Messages that would have to be fetched from the provider: they count as gone here. */
  notAtHand: readonly string[]
}

interface Played {
  mailbox: MailboxId
  run: string
  threads: ReadonlySet<string>
}

const LOOK_EVERY_MS = 20

/**
 * Replays inputs in a sandbox, run by run, with every stage at work there and no provider asked. The real namespace is only read.
 * Throws when aborted; everything in the sandbox expires then too.
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
  const replayed: Played[] = []
  let put = 0
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
        // A watch event that another run answered began none of its own.
        if (!(await readRun(app.redis, app.keys, app.keys.partitionOf(mailbox), run))) continue
        const state = replayStateOf(stage.name, run, ofRun, recorded)
        mailboxes.play(run, recorded)
        await seedSandbox({ app, sandbox, setting: state, of: { run, mailbox }, recall: recorded })
        put += state.put.length
        replayed.push({ mailbox, run, threads: state.threads })
        await quiet(sandbox.app, signal)
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
    inputs: put,
    leftOut: inputs.length - put,
    runs: runs.filter(run => run !== undefined),
    ...(await compareTasks(app, sandbox, { replayed, notAtHand, signal })),
    notAtHand,
  }
}

// Streams keep the time they have left when they are written to: none outlives a process that is killed.
async function prepareStreams(sandbox: Sandbox): Promise<void> {
  const { redis, keys, now } = sandbox.app
  for (const { name: stage, reads } of STAGES) {
    const streams = reads.map(({ name }) => name)
    await createQueue({ redis, keys, stage, streams, consumer: 'replay', now }).createGroups()
  }
  await sandbox.expireAll()
}

async function quiet({ redis, keys }: AppContext, signal: AbortSignal): Promise<void> {
  for (let still = 0; still < 2; ) {
    throwIfStopped(signal)
    const backlog = await readBacklog(redis, keys, STAGES)
    const busy = backlog.some(({ waiting, inWork, delayed }) => (waiting ?? 0) + inWork + delayed > 0)
    still = busy ? 0 : still + 1
    await sleep(LOOK_EVERY_MS, signal)
  }
}

// A release may have another number or lane here: a thread's version, or else its run, says which tasks belong together.
async function compareTasks(
  app: AppContext,
  sandbox: Sandbox,
  { replayed, notAtHand, signal }: { replayed: readonly Played[]; notAtHand: readonly string[]; signal: AbortSignal },
): Promise<Comparison & { changedSince: readonly string[] }> {
  const runs = new Map(replayed.map(({ run, threads }) => [run, threads]))
  const now = await tasksIn(sandbox.app, () => true, signal)
  const versionsNow = versionsOf(now)
  const then = await tasksIn(
    app,
    ({ envelope: { run, body } }) => versionsNow.has(body.task) || runs.get(run)?.has(body.thread) === true,
    signal,
  )
  const overtaken = await overtakenThreads(app, { signal })
  const here = lastOfRuns(now)
  const changed = [...lastOfRuns(then)].filter(([name, before]) => {
    const { id, body } = before.envelope
    const after = here.get(name)
    const { differences } = after ? compare([emission(before, name)], [emission(after, name)]) : { differences: [] }
    const isRelabelled = overtaken.has(threadEntryOf(id)) && differences.some(isOfLabels)
    return isRelabelled || body.messages.some(message => notAtHand.includes(message.id))
  })
  // Another run that made the version which comes out here now has nothing left to make.
  const changedSince = new Set(changed.map(([, { envelope }]) => threadOf(envelope.body)))
  const versionsThen = versionsOf(then)
  const isSame = (task: string) => versionsNow.has(task) && versionsThen.has(task)
  const named = (entries: readonly Recorded<Task>[]) =>
    [...lastOfRuns(entries)].flatMap(([name, entry]) => {
      const { body } = entry.envelope
      return changedSince.has(threadOf(body)) ? [] : [emission(entry, isSame(body.task) ? body.task : name)]
    })
  return { ...compare(named(then), named(now)), changedSince: [...changedSince] }
}

// A run that took long let a thread go more than once; a replay is quick, and brings the last.
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

async function tasksIn(app: AppContext, wanted: (entry: Recorded<Task>) => boolean, signal: AbortSignal) {
  const found: Recorded<Task>[] = []
  for await (const entry of recordedIn(app, analysisTasks, { signal })) if (wanted(entry)) found.push(entry)
  return found
}
