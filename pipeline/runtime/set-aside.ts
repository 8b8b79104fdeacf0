import type { Envelope } from '../../shared/envelope.ts'
import type { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Entry } from '../../shared/redis/entry.ts'
import type { Outcome, Stage } from '../../shared/stage.ts'
import type { ListedId, Stream } from '../../shared/streams.ts'
import { isDeferred, noteOf, setAside } from '../../shared/windows/deferred.ts'
import { decide, type RecoverPolicy } from './recover.ts'

/** A failure of an item that will be retried; `attempt` includes it, and times are in ms since 1970. */
export interface Failure {
  error: MailError
  attempt: number
  at: number
  /** Whether others of its batch were answered. */
  others: boolean
}

/** Returns whether a failing item is itself at fault, rather than its provider. */
export type IsOwnFault = (mailbox: MailboxId, failing: Failing) => boolean

/** When an item began to fail (ms since 1970), and whether others of its batch were answered at one of its failures. */
export type Failing = NonNullable<Envelope['failing']>

interface SetAsideOptions {
  policy: RecoverPolicy
  isOwnFault: IsOwnFault
}

/** How long an item fails before it is deferred even after a single failure, in ms. */
export const ALONE_MS = 20_000
const FAILURES = 2

/** Returns the failing state after a failure now; a start in the future, from a wrong clock, counts as now. */
export function failingNow({ attempt, failing }: Envelope, { at, others }: Pick<Failure, 'at' | 'others'>): Failing {
  if (attempt === 0 || failing === undefined) return { since: at, others }
  return { since: Math.min(failing.since, at), others: failing.others || others }
}

/**
 * Returns the outcome that defers an item which failed twice, or for twenty seconds, by its own fault. Returns `undefined` where the item
 * stays in its window: throttled items have not failed, and deferred items are not deferred again.
 */
export function setAsideIfDue<In>(
  stage: Stage<In>,
  entry: Entry<In>,
  item: Envelope<In>,
  failure: Failure & SetAsideOptions,
): Outcome<In> | undefined {
  const { error, attempt, at, policy, isOwnFault } = failure
  const to = stage.reads.find(({ name }) => name === entry.stream)
  const failing = failingNow(item, failure)
  const { since } = failing
  if (!stage.defer || !to || error.kind === 'throttled' || isDeferred(item)) return undefined
  if (attempt < FAILURES && at - since < ALONE_MS) return undefined
  if (!isOwnFault(item.mailbox, failing)) return undefined
  const without = stage.defer(item, error)
  const decision = decide(error, item.attempt, { ...policy, patient: true })
  if (!without || typeof decision === 'string') return undefined
  const id = item as Envelope<ListedId>
  const note = noteOf(id, error, { stage: stage.name, since, attempts: attempt })
  const fact = setAside(id, to as unknown as Stream<ListedId>, {
    dueAt: at + Math.ceil(decision.retryInMs),
    now: at,
    note,
  })
  return { ...without, facts: [...(without.facts ?? []), fact] }
}

/**
 * Returns when to retry an item that stays in its window, given the planned `dueAt` (ms since 1970). An item that has failed for twenty
 * seconds may be deferred, so its retry is no later than that, unless its provider asked for a longer wait.
 */
export function dueInWindow<In>(stage: Stage<In>, item: Envelope<In>, failure: Failure, dueAt: number): number {
  const { error, at, attempt } = failure
  const latest = failingNow(item, failure).since + ALONE_MS
  const canDefer = stage.defer && attempt >= FAILURES && error.kind !== 'throttled' && !isDeferred(item)
  return canDefer && latest > at && error.retryAfterMs === undefined ? Math.min(dueAt, latest) : dueAt
}

/** Returns the outcome that records the error of a deferred item which failed again. */
export function stillDeferred<In>(stage: Stage<In>, item: Envelope<In>, failure: Failure): Outcome<In> {
  const { error, attempt } = failure
  if (!isDeferred(item) || error.kind === 'throttled') return {}
  const id = item as Envelope<ListedId>
  const note = noteOf(id, error, { stage: stage.name, since: failingNow(item, failure).since, attempts: attempt })
  return { facts: [{ fact: 'still-deferred', from: item, window: id.body.window, note }] }
}
