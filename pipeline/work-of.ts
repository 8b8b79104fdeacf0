import type { Envelope } from '../shared/envelope.ts'
import type { MailError } from '../shared/error.ts'
import type { Entry, Work } from '../shared/redis/commit.ts'
import type { RawEntry } from '../shared/redis/queue.ts'
import type { Outcome, Stage } from '../shared/stage.ts'
import type { Log } from './log.ts'
import type { Meter } from './meter.ts'
import { type Decision, decide, type RecoverPolicy } from './recover.ts'

interface WorkOptions {
  policy: RecoverPolicy
  meter: Meter
  now: () => number
  log: Log
}

/** What is to be committed when a batch has had this outcome: what it delivers, and for each input that failed what is decided of it. */
export function workOf<In>(
  stage: Stage<In>,
  entries: readonly Entry<In>[],
  outcome: Outcome<In>,
  { policy, meter, now, log }: WorkOptions,
): Work {
  const at = now()
  // One draw for all, so that what failed together comes back together: as one call, not as many.
  const drawn = policy.random()
  const deliveries = [...(outcome.deliveries ?? [])]
  const facts = [...(outcome.facts ?? [])]
  const delays: { entry: Entry<In>; dueAt: number; attempt: number }[] = []
  const parked: { entry: Entry<In>; error: MailError }[] = []
  const dead: { entry: Entry<In>; error: MailError }[] = []
  for (const { item, error } of outcome.failed ?? []) {
    const entry = entries.find(({ envelope }) => envelope === item)
    if (!entry) continue
    const decision = decide(error, item.attempt, { ...policy, random: () => drawn })
    tellOfFailure(log, item, error, decision)
    if (decision === 'dead') {
      const burial = stage.bury(item, error)
      deliveries.push(...(burial.deliveries ?? []))
      facts.push(...(burial.facts ?? []))
      dead.push({ entry, error })
    } else if (decision === 'parked') {
      parked.push({ entry, error })
    } else {
      delays.push({ entry, dueAt: at + Math.ceil(decision.retryInMs), attempt: decision.attempt })
    }
  }
  const { calls } = meter
  return { ...nothing(stage, entries), calls, units: meter.units(), deliveries, facts, delays, parked, dead }
}

/** What is to be committed for an entry that cannot be read: it is given up, and `item`, where that much could be read, is buried. */
export function workOfUnreadable<In>(
  stage: Stage<In>,
  entry: RawEntry,
  error: MailError,
  item: Envelope<In> | undefined,
): Work {
  const { deliveries = [], facts = [] } = item ? stage.bury(item, error) : {}
  return {
    ...nothing(stage, [item ? Object.assign(entry, { envelope: item }) : entry]),
    deliveries,
    facts,
    dead: [{ entry, error }],
  }
}

function nothing({ name }: { name: Stage['name'] }, inputs: readonly RawEntry[]): Work {
  return { stage: name, inputs, deliveries: [], facts: [], delays: [], parked: [], dead: [], calls: {}, units: 0 }
}

function tellOfFailure(log: Log, { mailbox, run, id }: Envelope, error: MailError, decision: Decision): void {
  const facts = { kind: error.kind, error: error.message, mailbox, run, id }
  if (decision === 'dead') log.error(facts, 'given up: see the dead letters')
  else if (decision === 'parked') log.error(facts, 'the mailbox waits: mend what is said here, then resume it')
  else if (error.kind === 'throttled') log.info({ ...facts, ...decision }, 'slowed down by the provider')
  else log.warn({ ...facts, ...decision }, 'failed; trying again')
}
