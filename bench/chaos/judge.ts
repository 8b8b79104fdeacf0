import type { AppContext } from '../../pipeline/base/app.ts'
import { type MailboxId, parseMailboxId, providerOf } from '../../shared/mailbox.ts'
import { knownMessages } from '../../shared/redis/known.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { FATES, type Fate } from '../../shared/streams.ts'
import type { Side } from '../../sim/both.ts'
import { wrongPlaces } from './places.ts'
import { readTruth } from './truth.ts'
import { readDead, readTasks, type WrittenTask } from './written.ts'

/** Counts of defects; all of them have to be 0. */
const WRONGS = ['lost', 'incomplete', 'outdated', 'doubled', 'unbalanced', 'unlike', 'misplaced'] as const

/** The figures of one provider, or of both. */
export interface Tally extends Record<Fate, number> {
  mailboxes: number
  listed: number
  mails: number
  /** Messages in no task and in no dead letter. */
  lost: number
  /** Threads whose newest task lacks messages without a dead letter that explains it. */
  incomplete: number
  /** Threads whose newest task contains deleted messages. */
  outdated: number
  /** Tasks written again under the same idempotency key without another version in between, or in the same envelope. */
  doubled: number
  tasks: number
  /** One per thread, with its final messages; threads that changed in between may have more tasks. */
  tasksExpected: number
  runs: number
  /** Runs whose numbers of listed ids and fates differ. */
  unbalanced: number
  /** Messages that are known but deleted, or present but unknown. */
  unlike: number
  /** Folders whose position in the cursor is missing or wrong. */
  misplaced: number
}

/** The outcome from outside the pipeline: the simulators' mail compared with the tasks and dead letters in Redis. */
export interface Verdict extends Tally, Record<Side, Tally> {
  /** The total number of defects. */
  wrong: number
  /** The first few defects, in words. */
  problems: string[]
}

interface Evidence {
  tasks: readonly WrittenTask[]
  dead: ReadonlySet<string>
}

const ALL_RUNS = 10_000
const MAX_PROBLEMS = 10

/** Compares the mail of the simulators with the tasks and the state of the pipeline. */
export async function judge(app: AppContext, simUrl: string, mailboxes: readonly MailboxId[]): Promise<Verdict> {
  const [tasks, dead] = await Promise.all([readTasks(app), readDead(app)])
  const problems: string[] = []
  const doubledEnvelopes = repeated(tasks.map(({ envelope }) => envelope))
  problems.push(...doubledEnvelopes.map(id => `the envelope ${id} was written more than once`))
  const tallies = { gmail: noTally(), outlook: noTally() }
  for (const mailbox of mailboxes) {
    const tally = tallies[providerOf(mailbox) as Side]
    const own = { tasks: tasks.filter(({ task }) => task.mailbox === mailbox), dead }
    problems.push(...(await judgeMailbox(app, simUrl, mailbox, own, tally)))
  }
  for (const run of await listRuns(app.redis, app.keys, ALL_RUNS)) {
    const tally = tallies[providerOf(parseMailboxId(run.mailbox)) as Side]
    tally.runs += 1
    tally.listed += run.listed
    for (const fate of FATES) tally[fate] += run.fates[fate]
    if (run.addsUp) continue
    tally.unbalanced += 1
    problems.push(`run ${run.run}: ${run.listed} listed, but ${JSON.stringify(run.fates)}`)
  }
  const total = Object.values(tallies).reduce(added, noTally())
  total.doubled += doubledEnvelopes.length
  const wrong = WRONGS.reduce((sum, name) => sum + total[name], 0)
  return { ...total, ...tallies, wrong, problems: problems.slice(0, MAX_PROBLEMS) }
}

// Adds to the tally, and returns the problems in words.
async function judgeMailbox(
  app: AppContext,
  simUrl: string,
  mailbox: MailboxId,
  { tasks, dead }: Evidence,
  tally: Tally,
): Promise<string[]> {
  const { threads, folders } = await readTruth(simUrl, mailbox)
  const problems: string[] = []
  const reported = new Set(tasks.flatMap(({ task }) => task.messages.map(({ id }) => id)))
  const newest = new Map(tasks.map(({ task }) => [task.thread, task]))
  for (const [thread, ids] of threads) {
    const wanted = ids.filter(id => !dead.has(id))
    const last = newest.get(thread)
    const lost = wanted.filter(id => !reported.has(id))
    const missing = wanted.filter(id => !last?.messages.some(message => message.id === id))
    const gone = last?.messages.filter(({ id }) => !ids.includes(id) && !dead.has(id)) ?? []
    tally.mails += ids.length
    tally.lost += lost.length
    tally.tasksExpected += wanted.length > 0 ? 1 : 0
    tally.incomplete += missing.length > 0 ? 1 : 0
    tally.outdated += gone.length > 0 ? 1 : 0
    if (lost.length > 0) problems.push(`${mailbox}: ${lost.join(', ')} of thread ${thread} in no task`)
    else if (missing.length > 0)
      problems.push(`${last?.task} lacks ${missing.join(', ')}, which an older task contains`)
    if (gone.length > 0)
      problems.push(`${last?.task} contains ${gone.map(({ id }) => id).join(', ')}, which no longer exist`)
  }

  const present = new Set([...threads.values()].flat())
  const known = new Set<string>()
  for await (const { id } of knownMessages(app.redis, app.keys, mailbox)) known.add(id)
  const unlike = [...new Set([...present, ...known])].filter(id => present.has(id) !== known.has(id) && !dead.has(id))
  const misplaced = await wrongPlaces(app, simUrl, mailbox, folders)
  const doubled = doubledTasks(tasks, mailbox)
  tally.mailboxes += 1
  tally.tasks += tasks.length
  tally.doubled += doubled.length
  tally.unlike += unlike.length
  tally.misplaced += misplaced.length
  return [
    ...problems,
    ...doubled.map(task => `${task} was written more than once`),
    ...unlike.map(id => `${mailbox}: ${id} is ${known.has(id) ? 'known, but deleted' : 'present, but not known'}`),
    ...misplaced,
  ]
}

// In this run no message leaves a Gmail thread; an Outlook thread may return to an earlier state.
function doubledTasks(tasks: readonly WrittenTask[], mailbox: MailboxId): string[] {
  if (providerOf(mailbox) === 'gmail') return repeated(tasks.map(({ task }) => task.task))
  const last = new Map<string, string>()
  return tasks.flatMap(({ task: { task, thread } }) => {
    const again = last.get(thread) === task
    last.set(thread, task)
    return again ? [task] : []
  })
}

function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>()
  return texts.filter(text => seen.has(text) || !seen.add(text))
}

function noTally(): Tally {
  const names = ['mailboxes', 'listed', 'mails', 'tasks', 'tasksExpected', 'runs', ...WRONGS, ...FATES] as const
  return Object.fromEntries(names.map(name => [name, 0])) as unknown as Tally
}

function added(a: Tally, b: Tally): Tally {
  const names = Object.keys(a) as (keyof Tally)[]
  return Object.fromEntries(names.map(name => [name, a[name] + b[name]])) as unknown as Tally
}
