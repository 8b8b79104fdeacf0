import type { Redis } from 'ioredis'
import type { Envelope } from '../envelope.ts'
import type { MailError } from '../error.ts'
import type { CallCounts, Delivery, Fact } from '../fact.ts'
import type { MailboxId } from '../mailbox.ts'
import { encodeEntry, intoEntries } from '../slice.ts'
import { SENDER, STAGE_NAMES, type StageName } from '../stage.ts'
import type { Stream } from '../streams.ts'
import { type Entry, encodePart, isSlice, itemsOf, type Part } from './entry.ts'
import type { Keys } from './keys.ts'
import { createPlan } from './plan.ts'
import type { StateFact } from './plan-facts.ts'
import { RUN } from './schema.ts'
import { commitScript } from './scripts.ts'

/** Everything that happens when a batch is done; each part happens only if its input is still ours. */
export interface Work {
  stage: StageName
  inputs: readonly Entry[]
  deliveries: readonly Delivery[]
  facts: readonly Fact[]
  /** With `isRateLimited` the run counts the wait as a rate limit. */
  delays: readonly { entry: Entry; part: Part; dueAt: number; isRateLimited?: boolean }[]
  /** Rate-limit waits of the inputs' runs that caused no delay, in ms since 1970. */
  rests?: readonly { run: string; from: number; until: number }[]
  parked: readonly { entry: Entry; part: Part; error: MailError }[]
  /** `unread` marks inputs that could not be read: their windows still wait for them. */
  dead: readonly { entry: Entry; text: string; error: MailError; unread: boolean }[]
  calls: Partial<CallCounts>
  units: number
  /** How many messages were requested, and how many failed. */
  parts?: { asked: number; failed: number }
}

/**
 * An effect of a commit, for logs and metrics. `run-merged` and `run-ended` carry the run's fields. `needs-reauth`, with `mailbox` and
 * `reason`: a mailbox's work is parked until its account is fixed. `entries-dropped`, with `mailbox` and `entries`: entries of a removed
 * mailbox were dropped. `window-refused`, with `mailbox` and `window`: an entry of `merged` contradicts its window.
 */
export type RunEvent = {
  event: 'run-merged' | 'run-ended' | 'needs-reauth' | 'entries-dropped' | 'window-refused'
  run: string
} & Record<string, string>

/** Whether each input was still ours, and the effects of the commit. */
export interface Committed {
  acked: readonly boolean[]
  events: readonly RunEvent[]
}

/** Where state is kept, and for how long. */
export interface CommitOptions {
  redis: Redis
  keys: Keys
  /** The consumer that the inputs were delivered to. */
  consumer: string
  longRunMs: number
  /** The most tasks of a run, where there is a limit. */
  tasksPerRun?: number | undefined
  /** How long a message is kept after its last use. */
  messageSeconds: number
  /** How long the latest answer to a thread's task is kept. */
  resultSeconds: number
  /** The most ids of a mailbox that travel together; a larger thread stays whole. */
  sliceSize: (mailbox: MailboxId) => number
  now: () => number
  newRunId: () => string
}

/**
 * Commits work of one mailbox with one script call. Inputs of a mailbox that is not connected, or was connected only after they were
 * written, are acknowledged, deleted and counted without further effect. Throws on a lost connection; calling again with the same work is
 * safe.
 */
export async function commitWork(work: Work, options: CommitOptions): Promise<Committed> {
  const { redis, now } = options
  const plan = createPlan(work.inputs, { ...options, stage: work.stage })
  const { input } = plan
  const [first] = work.inputs.flatMap(itemsOf)
  const paused = new Map(work.facts.flatMap(fact => (fact.fact === 'paused' ? [[fact.from, fact] as const] : [])))
  const changes = work.facts.flatMap((fact): StateFact[] => (fact.fact === 'paused' ? [] : [fact]))
  const costs = counters(work)
  const body = {
    group: work.stage,
    consumer: options.consumer,
    longRunMs: options.longRunMs,
    ...(options.tasksPerRun === undefined ? {} : { tasksPerRun: options.tasksPerRun }),
    messageSeconds: options.messageSeconds,
    ...(work.stage === SENDER ? { resultSeconds: options.resultSeconds } : {}),
    ...(first ? { of: { key: plan.mailbox(first.mailbox), mailbox: first.mailbox, run: first.run } } : {}),
    inputs: work.inputs.map(entry => ({ key: plan.key(entry.key), entry: entry.entryId, ...runOf(entry) })),
    outputs: outputsOf(work.deliveries),
    delays: work.delays.map(({ entry, part, dueAt }) => ({
      input: input(entry),
      run: plan.run(part[0]),
      key: plan.delay(work.stage),
      text: member(entry, part),
      inMs: dueAt - now(),
    })),
    waits: waitsOf(),
    parked: work.parked.map(({ entry, part, error }) => ({
      input: input(entry),
      list: plan.parked(part[0].mailbox),
      text: member(entry, part),
      events: plan.mailboxEvents(),
      reason: error.message,
    })),
    paused: work.inputs.flatMap(entry => {
      const [one, ...rest] = entry.items.filter(item => paused.has(item))
      if (!one) return []
      const { mailbox, run } = one
      const oneIsEnough = paused.get(one)?.oneIsEnough ?? false
      return { input: input(entry), list: plan.parked(mailbox), text: member(entry, [one, ...rest]), run, oneIsEnough }
    }),
    dead: work.dead.map(({ entry, text, error: { kind, message }, unread }) => {
      const { stream } = entry
      return { input: input(entry), key: plan.dead(work.stage), text: plan.text(text), stream, kind, message, unread }
    }),
    facts: plan.facts(changes).map(({ from, fact }) => ({ ...fact, input: input(from), run: plan.run(from) })),
    ...(first && costs.length > 0
      ? { cost: { input: input(first), run: plan.run(first), by: Object.fromEntries(costs) } }
      : {}),
  }
  const { keys, runs, texts } = plan.done()
  const answer = await commitScript(redis, keys, [JSON.stringify({ ...body, runs }), ...texts])
  const [acked, events] = answer as [number[], string[]]
  return { acked: acked.map(one => one === 1), events: events.map(event => JSON.parse(event) as RunEvent) }

  // Envelopes that follow from one entry travel together, in as few entries as possible.
  function outputsOf(deliveries: readonly Delivery[]) {
    const groups = new Map<string, { from: Delivery['from']; to: Stream; envelopes: Envelope[] }>()
    for (const { from, to, envelope } of deliveries) {
      const name = `${input(from)} ${to.name}`
      const group = groups.get(name) ?? { from, to, envelopes: [] }
      groups.set(name, group)
      group.envelopes.push(envelope)
    }
    return [...groups.values()].flatMap(({ from, to, envelopes }) => {
      const entry = work.inputs[input(from) - 1]
      const size = entry && isSlice(entry) ? undefined : options.sliceSize(from.mailbox)
      return intoEntries(to, envelopes, size).map(items => ({
        input: input(from),
        key: plan.stream(to, items[0]),
        text: plan.text(encodeEntry(to, items)),
      }))
    })
  }

  // The rate-limit waits, each with a run of these inputs.
  function waitsOf() {
    const delayed = work.delays.filter(({ isRateLimited }) => isRateLimited)
    const own = delayed.map(({ entry, part, dueAt }) => ({
      input: input(entry),
      run: plan.run(part[0]),
      from: 0,
      upTo: dueAt - now(),
    }))
    const rested = (work.rests ?? []).flatMap(({ run, from, until }) => {
      const item = work.inputs.flatMap(itemsOf).find(one => one.run === run)
      return item ? { input: input(item), run: plan.run(item), from: from - now(), upTo: until - now() } : []
    })
    return [...rested, ...own]
  }

  function member(entry: Entry, part: Part): number {
    return plan.text(`${entry.key}\n${encodePart(entry, part)}`)
  }

  // All items of an entry belong to one run. The first stage makes runs active before it commits.
  function runOf(entry: Entry) {
    const [item] = itemsOf(entry)
    if (!item) return {}
    // What waits for a sink outlives its run, and is sent also where the run was abandoned.
    if (work.stage === SENDER) return {}
    return { runKey: plan.runKey(item), ...(work.stage === STAGE_NAMES[0] ? { begun: plan.run(item) } : {}) }
  }
}

function counters({ calls, units, parts = { asked: 0, failed: 0 } }: Work): [string, number][] {
  const counted = Object.entries(calls).map(([kind, count]): [string, number] => [`${RUN.calls}${kind}`, count])
  const sums: [string, number][] = [
    [RUN.units, units],
    [RUN.asked, parts.asked],
    [RUN.failed, parts.failed],
  ]
  return [...counted, ...sums].filter(([, by]) => by > 0)
}
