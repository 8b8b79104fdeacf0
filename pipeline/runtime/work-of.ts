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

/** Items of one entry of which the same becomes. */
interface Group {
  entry: Entry
  items: Envelope[]
  error: MailError
  dueAt?: number
}

/**
 * What is to be committed when a batch has had this outcome: what it delivers, and what is decided of each item that failed. Items of one
 * entry that wait for the same time go back together; a dead letter holds one item. Throws where an item is none of the batch.
 */
export function workOf<In>(
  stage: Stage<In>,
  entries: readonly Entry<In>[],
  outcome: Outcome<In>,
  { policy, isOwnFault, meter, now, log }: WorkOptions,
): Work {
  const at = now()
  // One draw for all, so that what failed together comes back together: as one call, not as many.
  const drawn = policy.random()
  const deliveries: Delivery[] = [...(outcome.deliveries ?? [])]
  const facts: Fact[] = [...(outcome.facts ?? [])]
  const dead: Work['dead'][number][] = []
  const waiting = new Map<string, Group>()
  const parked = new Map<string, Group>()
  const follows = ({ deliveries: more = [], facts: others = [] }: Outcome<In>) => {
    deliveries.push(...more)
    facts.push(...others)
  }
  const others = (outcome.failed ?? []).length < entries.reduce((sum, { items }) => sum + items.length, 0)
  const entryOf = new Map(entries.flatMap(entry => entry.items.map(item => [item, entry] as const)))
  for (const { item, error } of outcome.failed ?? []) {
    const entry = entryOf.get(item)
    if (!entry) throw new Error(`${item.id} is no item of its batch: a stage hands back the very items it was given`)
    const recovery = { ...policy, random: () => drawn, patient: isDeferred(item) }
    const decision = decide(error, item.attempt, recovery)
    const name = `${entry.key} ${entry.entryId}`
    if (decision === 'dead') {
      follows(stage.deadLetter(item, error))
      dead.push({ entry, text: encodePart(entry, [item]), error, unread: false })
      log.error(factsOf(item, error), 'given up: see the dead letters')
    } else if (decision === 'parked') {
      join(parked, name, { entry, items: [item], error })
    } else {
      const { attempt } = decision
      const failure = { error, attempt, at, others }
      const aside = setAsideIfDue(stage, entry, item, { ...failure, policy: recovery, isOwnFault })
      follows(aside ?? stillDeferred(stage, item, failure))
      if (aside) {
        log.warn({ ...factsOf(item, error), attempt }, 'set aside: the rest of its run goes on without it')
        continue
      }
      if (attempt >= STALLED_AFTER && attempt > item.attempt) follows(stage.stall?.(item) ?? {})
      const dueAt = dueInWindow(stage, item, failure, at + Math.ceil(decision.retryInMs))
      const again = attempt > item.attempt ? { ...item, attempt, failing: failingNow(item, failure) } : item
      join(waiting, `${name} ${dueAt} ${attempt} ${JSON.stringify(again.failing)}`, {
        entry,
        items: [again],
        error,
        dueAt,
      })
    }
  }
  tellOf([...waiting.values(), ...parked.values()], { at, log })
  return {
    ...nothing(stage, entries),
    calls: meter.calls,
    units: meter.units(),
    parts: meter.parts,
    deliveries,
    facts,
    delays: [...waiting.values()].map(({ entry, items, error, dueAt = at }) => ({
      entry,
      part: partOf(items),
      dueAt,
      isRateLimited: error.isRateLimit,
    })),
    parked: [...parked.values()].map(({ entry, items, error }) => ({ entry, part: partOf(items), error })),
    dead,
  }
}

/**
 * What is to be committed for an entry that cannot be read, or of which some cannot: that is given up, and buried where its place can still
 * be told. The rest of its slice goes back at once.
 */
export function workOfSpoiled<In>(
  stage: Stage<In>,
  entry: Entry<In>,
  { now, log }: Pick<WorkOptions, 'now' | 'log'>,
): Work {
  const counts = new Map<string, number>()
  for (const { error } of entry.spoiled) counts.set(error.message, (counts.get(error.message) ?? 0) + 1)
  for (const [error, items] of counts) {
    log.error({ error, items, entry: entry.entryId, stream: entry.stream }, 'cannot be read: see the dead letters')
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

/** What is to be committed to have entries wait for a rate limit until `dueAt` (ms since 1970) as they are: whoever is free has them then. */
export function postponed<In>(stage: Stage<In>, entries: readonly Entry<In>[], dueAt: number): Work {
  return {
    ...nothing(stage, entries),
    delays: entries.map(entry => ({ entry, part: partOf(entry.items), dueAt, isRateLimited: true })),
  }
}

/** What is to be committed to have each item of an entry come back by itself at `dueAt` (ms since 1970), to be tried alone. */
export function singledOut<In>(stage: Stage<In>, entry: Entry<In>, dueAt: number): Work {
  const alone = entry.items.map((item): Part => [{ ...item, suspect: true }])
  return { ...nothing(stage, [entry]), delays: alone.map(part => ({ entry, part, dueAt })) }
}

function nothing({ name }: { name: Stage['name'] }, inputs: readonly Entry[]): Work {
  return { stage: name, inputs, deliveries: [], facts: [], delays: [], parked: [], dead: [], calls: {}, units: 0 }
}

function join(groups: Map<string, Group>, name: string, group: Group): void {
  const known = groups.get(name)
  if (known) known.items.push(...group.items)
  else groups.set(name, group)
}

function partOf(items: readonly Envelope[]): Part {
  const [first, ...rest] = items
  if (!first) throw new Error('a part of an entry holds at least one item')
  return [first, ...rest]
}

function tellOf(groups: readonly Group[], { at, log }: { at: number; log: Log }): void {
  for (const { items, error, dueAt } of groups) {
    const [item = { mailbox: '', run: '', id: '', attempt: 0 }] = items
    const facts = { ...factsOf(item, error), items: items.length }
    const again = { retryInMs: (dueAt ?? at) - at, attempt: item.attempt }
    if (dueAt === undefined) log.error(facts, 'the mailbox waits: mend what is said here, then resume it')
    else if (error.kind === 'throttled') log.info({ ...facts, ...again }, 'throttled; it waits and is tried again')
    else log.warn({ ...facts, ...again }, 'failed; trying again')
  }
}

function factsOf({ mailbox, run, id }: Pick<Envelope, 'run' | 'id'> & { mailbox: string }, error: MailError) {
  return { kind: error.kind, error: error.message, mailbox, run, id }
}
