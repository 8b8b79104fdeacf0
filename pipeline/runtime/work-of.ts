import type { Envelope } from '../../shared/envelope.ts'
import type { MailError } from '../../shared/error.ts'
import type { Delivery, Fact } from '../../shared/fact.ts'
import type { Work } from '../../shared/redis/commit.ts'
import { type Entry, encodePart, type Part } from '../../shared/redis/entry.ts'
import type { Outcome, Stage } from '../../shared/stage.ts'
import { isDeferred } from '../../shared/windows/deferred.ts'
import type { Log } from '../base/log.ts'
import type { Meter } from './meter.ts'
import { decide, type RecoverPolicy } from './recover.ts'
import { dueInWindow, failingNow, type IsOwnFault, setAsideIfDue, stillDeferred } from './set-aside.ts'

interface WorkOptions {
  policy: RecoverPolicy
  isOwnFault: IsOwnFault
  meter: Meter
  now: () => number
  log: Log
}

const STALLED_AFTER = 2

/** Items of one entry with the same decision. */
interface Group {
  entry: Entry
  items: Envelope[]
  error: MailError
  dueAt?: number
}

/**
 * Returns the commit for a batch with this outcome: its deliveries, and a decision for each failed item. Items of one entry with the same
 * retry time go back together; a dead letter has one item. Throws where an item is not in the batch.
 */
export function workOf<In>(
  stage: Stage<In>,
  entries: readonly Entry<In>[],
  outcome: Outcome<In>,
  { policy, isOwnFault, meter, now, log }: WorkOptions,
): Work {
  const at = now()
  // One random number for all, so that items that failed together are retried together, in one call.
  const drawn = policy.random()
  const deliveries: Delivery[] = [...(outcome.deliveries ?? [])]
  const facts: Fact[] = [...(outcome.facts ?? [])]
  const dead: Work['dead'][number][] = []
  const waiting = new Map<string, Group>()
  const parked = new Map<string, Group>()
  const addOutcome = ({ deliveries: more = [], facts: others = [] }: Outcome<In>) => {
    deliveries.push(...more)
    facts.push(...others)
  }
  const others = (outcome.failed ?? []).length < entries.reduce((sum, { items }) => sum + items.length, 0)
  const entryOf = entriesByItem(entries)
  for (const { item, error } of outcome.failed ?? []) {
    const entry = entryOf(item)
    const recovery = { ...policy, random: () => drawn, patient: isDeferred(item) }
    const decision = decide(error, item.attempt, recovery)
    const name = `${entry.key} ${entry.entryId}`
    if (decision === 'dead') {
      addOutcome(stage.deadLetter(item, error))
      dead.push({ entry, text: encodePart(entry, [item]), error, unread: false })
      log.error(factsOf(item, error), 'dead-lettered; see the `dead` command')
    } else if (decision === 'parked') {
      join(parked, name, { entry, items: [item], error })
    } else {
      const { attempt } = decision
      const failure = { error, attempt, at, others }
      const deferral = setAsideIfDue(stage, entry, item, { ...failure, policy: recovery, isOwnFault })
      addOutcome(deferral ?? stillDeferred(stage, item, failure))
      if (deferral) {
        log.warn({ ...factsOf(item, error), attempt }, 'deferred; its run continues without it')
        continue
      }
      if (attempt >= STALLED_AFTER && attempt > item.attempt) addOutcome(stage.stall?.(item) ?? {})
      const dueAt = dueInWindow(stage, item, failure, at + Math.ceil(decision.retryInMs))
      const again = attempt > item.attempt ? { ...item, attempt, failing: failingNow(item, failure) } : item
      const group = { entry, items: [again], error, dueAt }
      join(waiting, `${name} ${dueAt} ${attempt} ${JSON.stringify(again.failing)}`, group)
    }
  }
  const laterOf = ({ item, dueAt }: { item: Envelope<In>; dueAt: number }) => ({
    entry: entryOf(item),
    part: partOf([item]),
    dueAt,
  })
  logRetries([...waiting.values(), ...parked.values()], { at, log })
  return {
    ...nothing(stage, entries),
    calls: meter.calls,
    units: meter.units(),
    parts: meter.parts,
    deliveries,
    facts,
    delays: [...[...waiting.values()].map(group => delayOf(group, at)), ...(outcome.later ?? []).map(laterOf)],
    parked: [...parked.values()].map(({ entry, items, error }) => ({ entry, part: partOf(items), error })),
    dead,
  }
}

/**
 * Returns the commit for an entry that is unreadable, in part or whole. Unreadable items are dead-lettered, and settled where their window is
 * still known. The rest of the slice goes back at once.
 */
export function workOfSpoiled<In>(
  stage: Stage<In>,
  entry: Entry<In>,
  { now, log }: Pick<WorkOptions, 'now' | 'log'>,
): Work {
  const counts = new Map<string, number>()
  for (const { error } of entry.spoiled) counts.set(error.message, (counts.get(error.message) ?? 0) + 1)
  for (const [error, items] of counts) {
    log.error({ error, items, entry: entry.entryId, stream: entry.stream }, 'unreadable; see the `dead` command')
  }
  const outcomes = entry.spoiled.map(({ item, error }) => (item ? stage.deadLetter(item, error) : {}))
  return {
    ...nothing(stage, [entry]),
    deliveries: outcomes.flatMap(({ deliveries = [] }) => deliveries),
    facts: outcomes.flatMap(({ facts = [] }) => facts),
    delays: entry.items.length > 0 ? [{ entry, part: partOf(entry.items), dueAt: now() }] : [],
    dead: entry.spoiled.map(({ text, error, item }) => ({ entry, text, error, unread: item === undefined })),
  }
}

/** Returns the commit that delays entries for a rate limit until `dueAt` (ms since 1970), unchanged, for any free process. */
export function postponed<In>(stage: Stage<In>, entries: readonly Entry<In>[], dueAt: number): Work {
  return {
    ...nothing(stage, entries),
    delays: entries.map(entry => ({ entry, part: partOf(entry.items), dueAt, isRateLimited: true })),
  }
}

/** Returns the commit that splits an entry into its items at `dueAt` (ms since 1970), each to be tried alone. */
export function splitUp<In>(stage: Stage<In>, entry: Entry<In>, dueAt: number): Work {
  const alone = entry.items.map((item): Part => [{ ...item, suspect: true }])
  return { ...nothing(stage, [entry]), delays: alone.map(part => ({ entry, part, dueAt })) }
}

function nothing({ name }: { name: Stage['name'] }, inputs: readonly Entry[]): Work {
  return { stage: name, inputs, deliveries: [], facts: [], delays: [], parked: [], dead: [], calls: {}, units: 0 }
}

// Compared by identity: a copy would be acknowledged and forgotten.
function entriesByItem<In>(entries: readonly Entry<In>[]): (item: Envelope<In>) => Entry<In> {
  const entryOf = new Map(entries.flatMap(entry => entry.items.map(item => [item, entry] as const)))
  return item => {
    const entry = entryOf.get(item)
    if (entry) return entry
    throw new Error(`${item.id} is not an item of its batch; a stage must return the same item objects it received`)
  }
}

function delayOf({ entry, items, error, dueAt }: Group, at: number): Work['delays'][number] {
  return { entry, part: partOf(items), dueAt: dueAt ?? at, isRateLimited: error.isRateLimit }
}

function join(groups: Map<string, Group>, name: string, group: Group): void {
  const known = groups.get(name)
  if (known) known.items.push(...group.items)
  else groups.set(name, group)
}

function partOf(items: readonly Envelope[]): Part {
  const [first, ...rest] = items
  if (!first) throw new Error('a part of an entry needs at least one item')
  return [first, ...rest]
}

function logRetries(groups: readonly Group[], { at, log }: { at: number; log: Log }): void {
  for (const { items, error, dueAt } of groups) {
    const [item = { mailbox: '', run: '', id: '', attempt: 0 }] = items
    const facts = { ...factsOf(item, error), items: items.length }
    const again = { retryInMs: (dueAt ?? at) - at, attempt: item.attempt }
    if (dueAt === undefined) log.error(facts, 'mailbox parked; fix this error, then run `resume`')
    else if (error.kind === 'throttled') log.info({ ...facts, ...again }, 'throttled; retrying later')
    else log.warn({ ...facts, ...again }, 'failed; retrying')
  }
}

function factsOf({ mailbox, run, id }: Pick<Envelope, 'run' | 'id'> & { mailbox: string }, error: MailError) {
  return { kind: error.kind, error: error.message, mailbox, run, id }
}
