import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import { encodeEntry } from '../slice.ts'
import { missingIds, type WatchEvent, watchEvents } from '../streams.ts'
import type { MailboxSight, RunSight, Sight } from './inspect.ts'
import type { Keys, Partition } from './keys.ts'
import { listingLane } from './mailboxes.ts'
import { idsInNoPage, missingParts } from './missing.ts'
import { MAILBOX } from './schema.ts'
import { healScript, nudgeScript } from './scripts.ts'
import type { Reading } from './trim.ts'
import { findWaiting, isFirst, isLate, type Place, placesOf, textOf } from './waits.ts'

/** A healed run that had stalled, or a mailbox with work to list and no waiting event. */
export interface Healed {
  mailbox: MailboxId
  /** The stalled run and its missing work; absent where no run stalled. */
  run?: string
  missing: readonly string[]
  /** The run that repeats its work, or that the new event asks for. */
  by: string
  /** How many threads the new run took over. */
  threads: number
}

/** Heals stalled runs and mailboxes. Remembers earlier states, so that it heals only what was idle in two checks, `afterMs` apart. */
export interface Healing {
  /** Heals what has stalled in a partition that was just inspected. Safe to run twice at once. */
  heal(partition: Partition, sight: Sight, signal?: AbortSignal): Promise<Healed[]>
}

interface HealingOptions {
  redis: Redis
  keys: Keys
  /** All stages, in flow order. */
  stages: readonly Reading[]
  afterMs: number
  now: () => number
  newRunId: () => string
}

// The window of lost ids that are on no page.
const LOST = 'lost'
const NUDGE_AGAIN_MS = 30 * 60_000

/** Creates a healing that has seen nothing yet. */
export function createHealing(options: HealingOptions): Healing {
  const { redis, keys, stages, afterMs, now, newRunId } = options
  const seen = new Map<Partition, ReadonlyMap<string, { state: string; since: number }>>()
  const nudged = new Map<MailboxId, { marks: string; at: number }>()

  return {
    async heal(partition, sight, signal) {
      const { runs } = sight
      const marked = sight.mailboxes.filter(({ isRecorded, marks }) => isRecorded && marks !== '')
      const states = new Map([
        ...runs.map(({ run, revision }) => [`run ${run}`, revision] as const),
        ...marked.map(({ mailbox, marks }) => [`mailbox ${mailbox}`, marks] as const),
      ])
      const isIdle = remember(partition, states)
      const idleRuns = runs.filter(({ run }) => isIdle(`run ${run}`))
      const idleBoxes = marked.filter(one => isIdle(`mailbox ${one.mailbox}`) && !isNudged(one))
      if (idleRuns.length + idleBoxes.length === 0) return []
      // One pass over the waiting entries replaces a script per run that would search all of them.
      const mailboxes = sight.mailboxes.map(({ mailbox }) => mailbox)
      const waiting = await findWaiting(redis, placesOf(keys, partition, { stages, mailboxes }), signal)
      const healed: (Healed | undefined)[] = []
      for (const one of idleRuns) {
        if (signal?.aborted) break
        if (!waiting.ofRun(one.run, { late: one.isOver })) healed.push(await healRun(partition, one))
      }
      for (const one of idleBoxes) {
        if (signal?.aborted) break
        if (!waiting.toBeListed(one.mailbox)) healed.push(await nudge(partition, one))
      }
      return healed.filter(one => one !== undefined)
    },
  }

  function remember(partition: Partition, states: ReadonlyMap<string, string>): (name: string) => boolean {
    const before = seen.get(partition)
    const at = now()
    const memory = new Map(
      [...states].map(([name, state]) => {
        const known = before?.get(name)
        return [name, known?.state === state ? known : { state, since: at }] as const
      }),
    )
    seen.set(partition, memory)
    return name => {
      const known = memory.get(name)
      return before?.get(name) === known && known !== undefined && at - known.since >= afterMs
    }
  }

  // A mailbox that cannot be listed would be nudged repeatedly without success.
  function isNudged({ mailbox, marks }: MailboxSight): boolean {
    const before = nudged.get(mailbox)
    return before?.marks === marks && now() - before.at < NUDGE_AGAIN_MS
  }

  async function healRun(
    partition: Partition,
    { run, mailbox, revision, isOver }: RunSight,
  ): Promise<Healed | undefined> {
    const missing = await missingParts(redis, keys, partition, run)
    const by = newRunId()
    const { envelope, stream } = await eventFor(mailbox, by)
    // A message of an ended run may still wait alone and blocks no thread.
    const places = placesOf(keys, partition, { stages, mailboxes: [mailbox] }).filter(place => !isOver || isLate(place))
    const plan = {
      mailbox,
      old: run,
      new: by,
      revision,
      envelope,
      text: textOf('run', run),
      places: places.map(wordsOf),
      head: keys.head(partition),
      ids: await idsFor(partition, { run, mailbox, by }),
    }
    const ofRun = (name: string) => [
      keys.run(partition, name),
      keys.runThreads(partition, name),
      keys.runFresh(partition, name),
      keys.runUnsent(partition, name),
    ]
    const touched = [
      keys.mailbox(mailbox),
      ...ofRun(run),
      keys.runSuspects(partition, run),
      ...ofRun(by),
      keys.runs(partition),
      keys.mailboxEvents(partition),
      stream,
      keys.window(partition, by, LOST),
      keys.stream(partition, missingIds.name, 'live'),
      keys.deferred(mailbox),
      ...places.map(({ key }) => key),
    ]
    const answer = await healScript(redis, touched, [JSON.stringify(plan)])
    if (!Array.isArray(answer)) return undefined
    return { mailbox, run, missing, by, threads: Number(answer[0]) }
  }

  async function idsFor(partition: Partition, { run, mailbox, by }: { run: string; mailbox: MailboxId; by: string }) {
    const ids = await idsInNoPage(redis, keys, partition, run)
    const of = ids.length
    const envelopes = ids.map(({ id, thread }, index): Envelope => {
      const body = { id, thread, window: LOST, index, of }
      return { id: `${by}/${LOST}/${index}`, run: by, mailbox, at: now(), attempt: 0, lane: 'live', body }
    })
    const [first, ...rest] = envelopes
    if (!first) return undefined
    const items = JSON.stringify(ids.map(({ id, thread }) => [id, thread]))
    return { window: LOST, of, items, entry: encodeEntry(missingIds, [first, ...rest]) }
  }

  async function nudge(partition: Partition, { mailbox, marks }: MailboxSight): Promise<Healed | undefined> {
    const by = newRunId()
    const created = await redis.hget(keys.mailbox(mailbox), MAILBOX.created)
    const { envelope, stream } = await eventFor(mailbox, by, created ? { created: JSON.parse(created) } : {})
    const places = placesOf(keys, partition, { stages, mailboxes: [mailbox] }).filter(isFirst)
    const text = textOf('mailbox', mailbox)
    const plan = { mailbox, run: by, envelope, text, places: places.map(wordsOf) }
    const touched = [keys.mailbox(mailbox), stream, keys.mailboxEvents(partition), ...places.map(({ key }) => key)]
    if ((await nudgeScript(redis, touched, [JSON.stringify(plan)])) !== 1) return undefined
    nudged.set(mailbox, { marks, at: now() })
    return { mailbox, missing: [`an event for its pending marks: ${namesIn(marks)}`], by, threads: 0 }
  }

  async function eventFor(mailbox: MailboxId, run: string, more: Partial<WatchEvent> = {}) {
    const lane = await listingLane(redis, keys, mailbox)
    const body: WatchEvent = { cause: 'heal', ...more }
    const envelope: Envelope = { id: run, run, mailbox, at: now(), attempt: 0, lane, body }
    const stream = keys.stream(keys.partitionOf(mailbox), watchEvents.name, lane)
    return { envelope: encodeEnvelope(envelope), stream }
  }
}

function wordsOf(place: Place): string[] {
  return place.kind === 'stream' ? [place.kind, place.stage] : [place.kind]
}

// The values behind `asked=… look=…` mean nothing to people.
function namesIn(marks: string): string {
  return marks.replace(/=\S*(?:\n\S*)?/g, '')
}
