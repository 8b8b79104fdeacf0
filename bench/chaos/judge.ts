import type { AppContext } from '../../pipeline/base/app.ts'
import { type MailboxId, PROVIDERS, type Provider, parseMailboxId, providerOf } from '../../shared/mailbox.ts'
import { knownMessages } from '../../shared/redis/known.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { FATES, type Fate } from '../../shared/streams.ts'
import { wrongPlaces } from './places.ts'
import { readTruth } from './truth.ts'
import { readDead, readTasks, type WrittenTask } from './written.ts'

/** What may be wrong; all of it is to be 0. */
const WRONGS = ['lost', 'incomplete', 'outdated', 'doubled', 'unbalanced', 'unlike', 'misplaced'] as const

/** What was counted. */
export interface Tally extends Record<Fate, number> {
  mailboxes: number
  listed: number
  mails: number
  /** Mails that are in no task and in no dead letter. */
  lost: number
  /** Threads whose newest task lacks mail, though no dead letter says why. */
  incomplete: number
  /** Threads whose newest task holds mail that is not there any more. */
  outdated: number
  /** Tasks that were written again under the same idempotency key, with no other version between them, or in the same envelope. */
  doubled: number
  tasks: number
  /** One a thread, with the final set of its mails; threads that changed on the way may have had more. */
  tasksExpected: number
  runs: number
  /** Runs whose listed ids and fates differ in number. */
  unbalanced: number
  /** Mails that are known and not there, or there and not known. */
  unlike: number
  /** Folders of which a cursor does not say how far they were listed, or wrongly. */
  misplaced: number
}

/** What came of it all, seen from outside the pipeline: the simulators' mail beside the tasks and dead letters in Redis. */
export interface Verdict extends Tally, Record<Provider, Tally> {
  /** How much is wrong, in all. */
  wrong: number
  /** The first few of what is wrong, in words. */
  problems: string[]
}

interface Evidence {
  tasks: readonly WrittenTask[]
  dead: ReadonlySet<string>
}

const ALL_RUNS = 10_000
const MOST_PROBLEMS = 10

/** Compares what the simulators hold with what the pipeline wrote and knows. */
export async function judge(app: AppContext, simUrl: string, mailboxes: readonly MailboxId[]): Promise<Verdict> {
  const [tasks, dead] = await Promise.all([readTasks(app), readDead(app)])
  const problems: string[] = []
  const doubledEnvelopes = repeated(tasks.map(({ envelope }) => envelope))
  problems.push(...doubledEnvelopes.map(id => `the envelope ${id} was written more than once`))
  const tallies = { gmail: noTally(), outlook: noTally() }
  for (const mailbox of mailboxes) {
    const tally = tallies[providerOf(mailbox)]
    const own = { tasks: tasks.filter(({ task }) => task.mailbox === mailbox), dead }
    problems.push(...(await judgeMailbox(app, simUrl, mailbox, own, tally)))
  }
  for (const run of await listRuns(app.redis, app.keys, ALL_RUNS)) {
    const tally = tallies[providerOf(parseMailboxId(run.mailbox))]
    tally.runs += 1
    tally.listed += run.listed
    for (const fate of FATES) tally[fate] += run.fates[fate]
    if (run.addsUp) continue
    tally.unbalanced += 1
    problems.push(`run ${run.run}: ${run.listed} listed, but ${JSON.stringify(run.fates)}`)
  }
  const total = PROVIDERS.reduce((sum, provider) => added(sum, tallies[provider]), noTally())
  total.doubled += doubledEnvelopes.length
  const wrong = WRONGS.reduce((sum, name) => sum + total[name], 0)
  return { ...total, ...tallies, wrong, problems: problems.slice(0, MOST_PROBLEMS) }
}

// Adds to the tally; in words what is wrong.
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
    const lacking = wanted.filter(id => !last?.messages.some(message => message.id === id))
    const gone = last?.messages.filter(({ id }) => !ids.includes(id) && !dead.has(id)) ?? []
    tally.mails += ids.length
    tally.lost += lost.length
    tally.tasksExpected += wanted.length > 0 ? 1 : 0
    tally.incomplete += lacking.length > 0 ? 1 : 0
    tally.outdated += gone.length > 0 ? 1 : 0
    if (lost.length > 0) problems.push(`${mailbox}: ${lost.join(', ')} of thread ${thread} in no task`)
    else if (lacking.length > 0) problems.push(`${last?.task} lacks ${lacking.join(', ')}, which an older task has`)
    if (gone.length > 0) problems.push(`${last?.task} holds ${gone.map(({ id }) => id).join(', ')}, not there any more`)
  }

  const there = new Set([...threads.values()].flat())
  const known = new Set<string>()
  for await (const { id } of knownMessages(app.redis, app.keys, mailbox)) known.add(id)
  const unlike = [...new Set([...there, ...known])].filter(id => there.has(id) !== known.has(id) && !dead.has(id))
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
    ...unlike.map(id => `${mailbox}: ${id} is ${known.has(id) ? 'known, but not there' : 'there, but not known'}`),
    ...misplaced,
  ]
}

// Nothing ever leaves a thread at Gmail here; at Outlook a thread may become what it was before.
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
