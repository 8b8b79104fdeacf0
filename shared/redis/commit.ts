import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { MailError } from '../error.ts'
import type { CallCounts, Delivery, Fact } from '../fact.ts'
import { STAGE_NAMES, type StageName } from '../stage.ts'
import type { Keys } from './keys.ts'
import { createPlan } from './plan.ts'
import type { RawEntry } from './queue.ts'
import { commitScript } from './scripts.ts'
import { WARM_SECONDS } from './warm.ts'

/** An entry whose envelope was read. */
export interface Entry<In = unknown> extends RawEntry {
  envelope: Envelope<In>
}

/** All that is to happen when a batch is done; for each input it happens only if the input is still ours. */
export interface Work {
  stage: StageName
  inputs: readonly (RawEntry | Entry)[]
  deliveries: readonly Delivery[]
  facts: readonly Fact[]
  delays: readonly { entry: Entry; dueAt: number; attempt: number }[]
  parked: readonly { entry: Entry; error: MailError }[]
  dead: readonly { entry: RawEntry; error: MailError }[]
  calls: Partial<CallCounts>
  units: number
}

/**
 * What a commit brought about, for logs and metrics: `run-merged` and `run-ended` with the run's fields; `needs-reauth`, with `mailbox` and
 * `reason`, when a mailbox begins to wait for its account; `entries-dropped`, with `mailbox` and `entries`, of a mailbox that was removed.
 */
export type RunEvent = { event: 'run-merged' | 'run-ended' | 'needs-reauth' | 'entries-dropped'; run: string } & Record<
  string,
  string
>

/** For each input whether it was still ours, and what the commit brought about. */
export interface Committed {
  acked: readonly boolean[]
  events: readonly RunEvent[]
}

/** Where state is kept and for how long. */
export interface CommitOptions {
  redis: Redis
  keys: Keys
  longRunMs: number
  /** How long a message is kept after its last use. */
  messageSeconds: number
  now: () => number
  newRunId: () => string
}

const OPEN_WINDOWS = 2
const KEEP_RUN_SECONDS = 7 * 24 * 3600
const KEEP_MERGED_WINDOW_SECONDS = 3600
const WARM_THREADS = 200

/**
 * Commits work of one mailbox with one script call. Inputs of a mailbox that is not connected, or was not yet when they were written, are
 * acknowledged, deleted and counted, and nothing follows from them. Throws on a lost connection, when calling again with the same work is safe.
 */
export async function commitWork(work: Work, options: CommitOptions): Promise<Committed> {
  const { redis, now } = options
  const plan = createPlan(work.inputs, options)
  const inputs = work.inputs.map(entry => [plan.key(entry.key, 'stream'), entry.entryId, begun(entry)])
  const places = new Map<RawEntry | Envelope, number>()
  work.inputs.forEach((entry, index) => {
    places.set(entry, index + 1)
    if ('envelope' in entry) places.set(entry.envelope, index + 1)
  })
  const input = (from: RawEntry | Envelope) => places.get(from) ?? 0
  const read = work.inputs.filter(entry => 'envelope' in entry)
  const [first] = read
  const of = first?.envelope
  const held = new Map(work.facts.flatMap(fact => (fact.fact === 'held' ? [[fact.from, fact] as const] : [])))
  const changes = work.facts.filter(({ fact }) => fact !== 'held')
  const body = {
    now: now(),
    group: work.stage,
    inputs,
    ...(of ? { of: { key: plan.mailbox(of.mailbox), mailbox: of.mailbox, run: of.run } } : {}),
    outputs: work.deliveries.map(({ from, to, envelope }) => [
      input(from),
      plan.stream(to, envelope),
      plan.envelope(envelope),
    ]),
    delays: work.delays.map(({ entry, dueAt, attempt }) => {
      const text = encodeEnvelope({ ...entry.envelope, attempt })
      return [input(entry), plan.delay(work.stage), dueAt, plan.text(`${entry.key}\n${text}`)]
    }),
    parked: work.parked.map(({ entry, error }) => {
      const list = plan.parked(entry.envelope.mailbox)
      return [input(entry), list, member(entry), plan.mailboxEvents(), error.message]
    }),
    held: read.flatMap(entry => {
      const fact = held.get(entry.envelope)
      if (!fact) return []
      const { mailbox, run } = entry.envelope
      return [[input(entry), plan.parked(mailbox), member(entry), run, fact.oneIsEnough ? 1 : 0]]
    }),
    dead: work.dead.map(({ entry, error }) => {
      const text = plan.text(entry.text ?? '')
      const unread = 'envelope' in entry ? 0 : 1
      return [input(entry), plan.dead(work.stage), text, work.stage, entry.stream, error.kind, error.message, unread]
    }),
    facts: changes.map(fact => ({ ...plan.fact(fact), input: input(fact.from), run: plan.run(fact.from) })),
    counts: first ? counters(work).map(([field, by]) => [input(first), plan.run(first.envelope), field, by]) : [],
    limits: {
      openWindows: OPEN_WINDOWS,
      longRunMs: options.longRunMs,
      messageSeconds: options.messageSeconds,
      keepSeconds: KEEP_RUN_SECONDS,
      keepMergedSeconds: KEEP_MERGED_WINDOW_SECONDS,
      warmSeconds: WARM_SECONDS,
      warmThreads: WARM_THREADS,
    },
  }
  const { keys, types, runs, texts } = plan.done()
  const answer = await commitScript(redis, keys, [JSON.stringify({ ...body, types, runs }), ...texts])
  const [acked, events] = answer as [number[], string[]]
  return { acked: acked.map(one => one === 1), events: events.map(event => JSON.parse(event) as RunEvent) }

  function member(entry: RawEntry): number {
    return plan.text(`${entry.key}\n${entry.text}`)
  }

  // The first stage makes runs active before it commits.
  function begun(entry: RawEntry | Entry): number {
    return 'envelope' in entry && work.stage === STAGE_NAMES[0] ? plan.run(entry.envelope) : 0
  }
}

function counters({ calls, units }: Work): [string, number][] {
  const counted = Object.entries(calls).map(([kind, count]): [string, number] => [`calls:${kind}`, count])
  return [...counted, ['units', units] as [string, number]].filter(([, by]) => by > 0)
}
