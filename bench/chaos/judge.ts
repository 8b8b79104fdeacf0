import type { Office } from '../../pipeline/wire.ts'
import { LANES, parseEnvelope } from '../../shared/envelope.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { analysisTasks, FATES, type Fate } from '../../shared/streams.ts'
import type { Task } from '../../shared/task.ts'
import { readTruth } from './truth.ts'

/** What came of it all, seen from outside the pipeline: the simulator's mail beside the tasks and dead letters in Redis. */
export interface Verdict extends Record<Fate, number> {
  listed: number
  mails: number
  /** Mails that are in no task and in no dead letter. */
  lost: number
  /** Threads whose newest task lacks mail, though no dead letter says why. */
  incomplete: number
  /** Tasks that were written again under the same idempotency key, or in the same envelope. */
  doubled: number
  tasks: number
  tasksExpected: number
  runs: number
  /** Runs whose listed ids and fates differ in number. */
  unbalanced: number
  /** The first few of what is wrong, in words. */
  problems: string[]
}

const ALL_RUNS = 10_000
const MOST_PROBLEMS = 10

interface WrittenTask {
  envelope: string
  task: Task
  /** Redis's own time and count of the entry: the order in which a partition's tasks were written, whatever the lane. */
  order: readonly [ms: number, count: number]
}

/**
 * Compares what the simulator holds with what the pipeline wrote. `tasksExpected` is one a thread, with the final set of its mails; threads
 * that grew on the way may have had more. No mail is ever deleted at this provider, so a fate `gone` excuses nothing.
 */
export async function judge(office: Office, simUrl: string, addresses: readonly string[]): Promise<Verdict> {
  const [tasks, dead, runs, truths] = await Promise.all([
    readTasks(office),
    readDead(office),
    listRuns(office.redis, office.keys, ALL_RUNS),
    Promise.all(addresses.map(async address => ({ address, threads: await readTruth(simUrl, address) }))),
  ])
  const problems: string[] = []
  const told = new Map<string, Set<string>>()
  const newest = new Map<string, WrittenTask>()
  for (const written of tasks.toSorted(byOrder)) {
    const { mailbox, thread, messages } = written.task
    const ids = told.get(mailbox) ?? new Set()
    told.set(mailbox, ids)
    for (const { id } of messages) ids.add(id)
    newest.set(`${mailbox}/${thread}`, written)
  }

  const verdict = { mails: 0, lost: 0, incomplete: 0, tasksExpected: 0 }
  for (const { address, threads } of truths) {
    for (const [thread, ids] of threads) {
      const mailbox = `gmail:${address}`
      const wanted = ids.filter(id => !dead.has(id))
      const last = newest.get(`${mailbox}/${thread}`)?.task
      const lost = wanted.filter(id => !told.get(mailbox)?.has(id))
      const lacking = wanted.filter(id => !last?.messages.some(message => message.id === id))
      verdict.mails += ids.length
      verdict.lost += lost.length
      verdict.tasksExpected += wanted.length > 0 ? 1 : 0
      verdict.incomplete += lacking.length > 0 ? 1 : 0
      if (lost.length > 0) problems.push(`${mailbox}: ${lost.join(', ')} of thread ${thread} in no task`)
      else if (lacking.length > 0) problems.push(`${last?.task} lacks ${lacking.join(', ')}, which an older task has`)
    }
  }

  const doubledTasks = repeated(tasks.map(({ task }) => task.task))
  const doubledEnvelopes = repeated(tasks.map(({ envelope }) => envelope))
  const unbalanced = runs.filter(run => !run.addsUp)
  problems.push(
    ...doubledTasks.map(task => `${task} was written more than once`),
    ...doubledEnvelopes.map(id => `the envelope ${id} was written more than once`),
    ...unbalanced.map(({ run, listed, fates }) => `run ${run}: ${listed} listed, but ${JSON.stringify(fates)}`),
  )
  const fates = FATES.map(fate => [fate, runs.reduce((sum, run) => sum + run.fates[fate], 0)])
  return {
    ...verdict,
    ...(Object.fromEntries(fates) as Record<Fate, number>),
    listed: runs.reduce((sum, run) => sum + run.listed, 0),
    doubled: doubledTasks.length + doubledEnvelopes.length,
    tasks: tasks.length,
    runs: runs.length,
    unbalanced: unbalanced.length,
    problems: problems.slice(0, MOST_PROBLEMS),
  }
}

async function readTasks({ redis, keys }: Office): Promise<WrittenTask[]> {
  const streams = keys.partitions.flatMap(partition =>
    LANES.map(lane => keys.stream(partition, analysisTasks.name, lane)),
  )
  const entries = await Promise.all(streams.map(stream => redis.xrange(stream, '-', '+')))
  return entries.flat().map(([entryId, fields]) => {
    const { id, body } = parseEnvelope(fields[fields.indexOf('envelope') + 1] ?? '', analysisTasks.body)
    const [ms = 0, count = 0] = entryId.split('-').map(Number)
    return { envelope: id, task: body, order: [ms, count] as const }
  })
}

/** The ids of all messages that a dead letter speaks of. */
async function readDead({ redis, keys }: Office): Promise<Set<string>> {
  const streams = keys.partitions.flatMap(partition => STAGE_NAMES.map(stage => keys.dead(partition, stage)))
  const entries = await Promise.all(streams.map(stream => redis.xrange(stream, '-', '+')))
  const bodies = entries.flat().map(([, fields]) => JSON.parse(fields[fields.indexOf('envelope') + 1] || '{}').body)
  return new Set(bodies.flatMap(idsIn))
}

function idsIn(body: { id?: string; ids?: string[]; items?: { id: string }[] } | undefined): string[] {
  const { id, ids = [], items = [] } = body ?? {}
  return [...(id === undefined ? [] : [id]), ...ids, ...items.map(item => item.id)]
}

function byOrder(a: WrittenTask, b: WrittenTask): number {
  return a.order[0] - b.order[0] || a.order[1] - b.order[1]
}

function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>()
  return texts.filter(text => seen.has(text) || !seen.add(text))
}
