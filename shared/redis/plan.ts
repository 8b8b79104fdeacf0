import { type Envelope, encodeEnvelope, LANES } from '../envelope.ts'
import { type MailboxId, providerOf } from '../mailbox.ts'
import type { StageName } from '../stage.ts'
import { type Fate, merged, type Stream, type WatchEvent, watchEvents } from '../streams.ts'
import { type Entry, itemsOf } from './entry.ts'
import type { Keys } from './keys.ts'
import { notedAt } from './plan-deferred.ts'
import { describeFact, type StateFact } from './plan-facts.ts'

/** Collects the keys and texts that a commit names by place, counted from 1 as in Lua. */
export interface Plan {
  /** Returns the place of an input, or of the one that contained an envelope; throws for an unknown envelope. */
  input(from: Entry | Envelope): number
  key(key: string): number
  text(text: string): number
  envelope(envelope: Envelope): number
  stream(to: Stream, envelope: Envelope): number
  delay(stage: StageName): number
  dead(stage: StageName): number
  parked(mailbox: MailboxId): number
  mailbox(mailbox: MailboxId): number
  mailboxEvents(): number
  /** Returns the key of an envelope's run. */
  runKey(of: Envelope): number
  /** Returns the run of an envelope, with every key that settling it may touch. */
  run(of: Envelope): number
  /** Returns facts in the form that `facts.lua` reads, each with the envelope it follows from. */
  facts(facts: readonly StateFact[]): { from: Envelope; fact: Record<string, unknown> }[]
  done(): { keys: string[]; runs: unknown[]; texts: string[] }
}

/** Creates an empty plan for inputs of one partition. */
export function createPlan(
  inputs: readonly Entry[],
  { stage, keys: names, now, newRunId }: { stage: StageName; keys: Keys; now: () => number; newRunId: () => string },
): Plan {
  const partition = names.partitionIn(inputs[0]?.key ?? '')
  const places = new Map<string, number>()
  const texts: string[] = []
  const runs = new Map<string, { place: number; run: unknown }>()
  const inputOf = new Map<Entry | Envelope, number>()
  inputs.forEach((entry, index) => {
    for (const one of [entry, ...itemsOf(entry)]) inputOf.set(one, index + 1)
  })

  const plan: Plan = {
    // Compared by identity: a copy would be acknowledged and forgotten.
    input(from) {
      const place = inputOf.get(from)
      if (place !== undefined) return place
      const name = 'id' in from ? from.id : from.entryId
      throw new Error(`${name} is not an input of this batch: a stage must return the items it received, not copies`)
    },
    key(key) {
      const place = places.get(key) ?? places.size + 1
      places.set(key, place)
      return place
    },
    // The plan itself is the first text.
    text: text => texts.push(text) + 1,
    envelope: envelope => plan.text(encodeEnvelope(envelope)),
    stream: (to, envelope) => plan.key(names.stream(partition, to.name, envelope.lane)),
    delay: stage => plan.key(names.delay(partition, stage)),
    dead: stage => plan.key(names.dead(partition, stage)),
    parked: mailbox => plan.key(names.parked(mailbox)),
    mailbox: mailbox => plan.key(names.mailbox(mailbox)),
    mailboxEvents: () => plan.key(names.mailboxEvents(partition)),
    runKey: ({ run }) => plan.key(names.run(partition, run)),
    run(of) {
      const known = runs.get(of.run)
      if (known) return known.place
      const place = runs.size + 1
      runs.set(of.run, { place, run: describeRun(of) })
      return place
    },
    facts: facts => [
      ...fatesOf(facts),
      ...facts.flatMap(fact =>
        fact.fact === 'fate-known'
          ? []
          : [{ from: fact.from, fact: describeFact(fact, { plan, names, partition, stage, now, nextRun }) }],
      ),
    ],
    done: () => ({ keys: [...places.keys()], runs: [...runs.values()].map(({ run }) => run), texts }),
  }
  return plan

  function describeRun(of: Envelope) {
    const { run, mailbox, lane, replayOf } = of
    const again = nextRun(mailbox)
    const [live, bulk] = LANES.map(one => plan.key(names.stream(partition, watchEvents.name, one)))
    return {
      id: run,
      head: { mailbox, lane, replayOf },
      key: plan.runKey(of),
      threads: plan.key(names.runThreads(partition, run)),
      fresh: plan.key(names.runFresh(partition, run)),
      unsent: plan.key(names.runUnsent(partition, run)),
      suspects: plan.key(names.runSuspects(partition, run)),
      threadsOf: plan.key(names.threadsOf(mailbox)),
      mailbox: plan.key(names.mailbox(mailbox)),
      merged: plan.key(names.stream(partition, merged.name, lane)),
      ended: plan.key(names.endedRuns(partition)),
      metrics: plan.key(names.metrics(partition, providerOf(mailbox))),
      pages: { live, bulk },
      again: plan.envelope(again),
      nextRun: again.run,
    }
  }

  // A later run looks for changes that arrived during a run.
  function nextRun(mailbox: MailboxId, body: WatchEvent = { cause: 'coalesced' }): Envelope {
    const id = newRunId()
    return { id, run: id, mailbox, at: now(), attempt: 0, lane: 'live', body }
  }

  // Groups the fates of a slice by window.
  function fatesOf(facts: readonly StateFact[]) {
    const reported = new Map<
      string,
      { from: Envelope; fact: { fates: [number, Fate, string?][] } & Record<string, unknown> }
    >()
    for (const fact of facts) {
      if (fact.fact !== 'fate-known') continue
      const { from, window: name, index, fate, inThread } = fact
      const window = plan.key(names.window(partition, from.run, name))
      const key = `${plan.input(from)} ${window}`
      const group = reported.get(key) ?? {
        from,
        fact: { fact: 'fates-known', window, name, fates: [], ...notedAt(plan, names, from, name) },
      }
      reported.set(key, group)
      group.fact.fates.push(inThread === undefined ? [index, fate] : [index, fate, inThread])
    }
    return [...reported.values()]
  }
}
