import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { MailError } from '../error.ts'
import type { CallCounts, Delivery, Fact } from '../fact.ts'
import type { StageName } from '../stage.ts'
import type { Keys } from './keys.ts'
import { createPlan } from './plan.ts'
import type { RawEntry } from './queue.ts'
import { commitScript } from './scripts.ts'

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

/** What a commit brought about, for logs and metrics: `run-merged` and `run-ended`, with the run's fields. */
export type RunEvent = { event: 'run-merged' | 'run-ended'; run: string } & Record<string, string>

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
  now: () => number
  newRunId: () => string
}

const OPEN_WINDOWS = 2
const KEEP_RUN_SECONDS = 7 * 24 * 3600
const KEEP_MERGED_WINDOW_SECONDS = 3600

/** Commits work of one mailbox with one script call; throws on a lost connection, when calling again with the same work is safe. */
export async function commitWork(work: Work, options: CommitOptions): Promise<Committed> {
  const { redis, now } = options
  const plan = createPlan(work.inputs, options)
  const inputs = work.inputs.map(entry => [plan.key(entry.key, 'stream'), entry.entryId])
  const places = new Map<RawEntry | Envelope, number>()
  work.inputs.forEach((entry, index) => {
    places.set(entry, index + 1)
    if ('envelope' in entry) places.set(entry.envelope, index + 1)
  })
  const input = (from: RawEntry | Envelope) => places.get(from) ?? 0
  const first = work.inputs.find(entry => 'envelope' in entry)
  const body = {
    now: now(),
    group: work.stage,
    inputs,
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
      const member = plan.text(`${entry.key}\n${entry.text}`)
      return [
        input(entry),
        plan.parked(entry.envelope.mailbox),
        plan.mailbox(entry.envelope.mailbox),
        member,
        error.message,
      ]
    }),
    dead: work.dead.map(({ entry, error }) => {
      const text = plan.text(entry.text ?? '')
      const unread = 'envelope' in entry ? 0 : 1
      return [input(entry), plan.dead(work.stage), text, work.stage, entry.stream, error.kind, error.message, unread]
    }),
    facts: work.facts.map(fact => ({ ...plan.fact(fact), input: input(fact.from), run: plan.run(fact.from) })),
    counts: first ? counters(work).map(([field, by]) => [input(first), plan.run(first.envelope), field, by]) : [],
    limits: {
      openWindows: OPEN_WINDOWS,
      longRunMs: options.longRunMs,
      keepSeconds: KEEP_RUN_SECONDS,
      keepMergedSeconds: KEEP_MERGED_WINDOW_SECONDS,
    },
  }
  const { keys, types, runs, texts } = plan.done()
  const answer = await commitScript(redis, keys, [JSON.stringify({ ...body, types, runs }), ...texts])
  const [acked, events] = answer as [number[], string[]]
  return { acked: acked.map(one => one === 1), events: events.map(event => JSON.parse(event) as RunEvent) }
}

function counters({ calls, units }: Work): [string, number][] {
  const counted = Object.entries(calls).map(([kind, count]): [string, number] => [`calls:${kind}`, count])
  return [...counted, ['units', units] as [string, number]].filter(([, by]) => by > 0)
}
