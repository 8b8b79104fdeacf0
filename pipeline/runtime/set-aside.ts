import type { Envelope } from '../../shared/envelope.ts'
import type { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Entry } from '../../shared/redis/entry.ts'
import type { Outcome, Stage } from '../../shared/stage.ts'
import type { ListedId, Stream } from '../../shared/streams.ts'
import { isDeferred, noteOf, setAside } from '../../shared/windows/deferred.ts'
import { decide, type RecoverPolicy } from './recover.ts'

/** A failure of an item that is to be tried again; `attempt` counts it, times are in ms since 1970. */
export interface Failure {
  error: MailError
  attempt: number
  at: number
  /** Others of its batch were answered. */
  others: boolean
}

/** Whether an item that fails like this is itself at fault, and not its provider. */
export type IsOwnFault = (mailbox: MailboxId, failing: Failing) => boolean

/** Since when an item fails (ms since 1970), and whether others of its batch were answered at one of its failures. */
export type Failing = NonNullable<Envelope['failing']>

interface SetAsideOptions {
  policy: RecoverPolicy
  isOwnFault: IsOwnFault
}

/** How long an item fails before it is set aside even where it failed once. */
export const ALONE_MS = 20_000
const FAILURES = 2

/** How an item fails that fails now; a time that is not over, which a clock that is wrong has written, counts as now. */
export function failingNow({ attempt, failing }: Envelope, { at, others }: Pick<Failure, 'at' | 'others'>): Failing {
  if (attempt === 0 || failing === undefined) return { since: at, others }
  return { since: Math.min(failing.since, at), others: failing.others || others }
}

/**
 * What follows where an item is set aside: it failed twice, or for twenty seconds, and the fault is its own. `undefined` where it stays in
 * its window: being throttled is no failure, and what was set aside is not set aside again.
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
 * When an item that stays in its window is tried again, which was to be at `dueAt` (ms since 1970): not after it has failed for twenty seconds,
 * for then it may be set aside. Where its provider asked to wait, it waits.
 */
export function dueInWindow<In>(stage: Stage<In>, item: Envelope<In>, failure: Failure, dueAt: number): number {
  const { error, at, attempt } = failure
  const latest = failingNow(item, failure).since + ALONE_MS
  const mayLeave = stage.defer && attempt >= FAILURES && error.kind !== 'throttled' && !isDeferred(item)
  return mayLeave && latest > at && error.retryAfterMs === undefined ? Math.min(dueAt, latest) : dueAt
}

/** What follows where an item that was set aside fails again: its error is told. */
export function stillDeferred<In>(stage: Stage<In>, item: Envelope<In>, failure: Failure): Outcome<In> {
  const { error, attempt } = failure
  if (!isDeferred(item) || error.kind === 'throttled') return {}
  const id = item as Envelope<ListedId>
  const note = noteOf(id, error, { stage: stage.name, since: failingNow(item, failure).since, attempts: attempt })
  return { facts: [{ fact: 'still-deferred', from: item, window: id.body.window, note }] }
}
