import { type Envelope, encodeEnvelope, LANES } from '../envelope.ts'
import type { Delivery, Fact } from '../fact.ts'
import { type MailboxId, providerOf } from '../mailbox.ts'
import { encodeEntry } from '../slice.ts'
import type { StageName } from '../stage.ts'
import { type Fate, merged, type Stream, type WatchEvent, watchEvents } from '../streams.ts'
import { type Entry, itemsOf } from './entry.ts'
import type { Keys } from './keys.ts'
import { digestOf } from './known.ts'
import { notedAt, waitsAs } from './plan-deferred.ts'
import { groupedAs } from './plan-grouped.ts'

/** A fact that `facts.lua` applies; held inputs are handled separately. */
export type StateFact = Exclude<Fact, { fact: 'held' }>

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
      ...facts.flatMap(fact => (fact.fact === 'fate-known' ? [] : [{ from: fact.from, fact: describeFact(fact) }])),
    ],
    done: () => ({ keys: [...places.keys()], runs: [...runs.values()].map(({ run }) => run), texts }),
  }
  return plan

  function describeRun(of: Envelope) {
    const { run, mailbox, lane, trace, replayOf } = of
    const again = nextRun(mailbox)
    const [live, bulk] = LANES.map(one => plan.key(names.stream(partition, watchEvents.name, one)))
    return {
      id: run,
      head: { mailbox, lane, trace, replayOf },
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
    return { id, run: id, mailbox, at: now(), attempt: 0, lane: 'live', trace: id, body }
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

  // Without a default, so that the compiler reports a missing fact.
  function describeFact(fact: Exclude<StateFact, { fact: 'fate-known' }>): Record<string, unknown> {
    const { from, ...rest } = fact
    const window = (name: string) => plan.key(names.window(partition, from.run, name))
    const thread = (id: string) => plan.key(names.thread(from.mailbox, id))
    const message = (id: string) => plan.key(names.message(from.mailbox, id))
    const carried = (delivery: Delivery | undefined) =>
      delivery
        ? {
            to: plan.stream(delivery.to, delivery.envelope),
            envelope: plan.text(encodeEntry(delivery.to, [delivery.envelope])),
          }
        : {}
    switch (rest.fact) {
      case 'window-opened': {
        const items = plan.text(JSON.stringify(rest.items.map(item => [item.id, item.thread])))
        return {
          fact: rest.fact,
          window: window(rest.window),
          name: rest.window,
          context: rest.context,
          of: rest.items.length,
          items,
        }
      }
      case 'page-listed':
        return {
          fact: rest.fact,
          begins: (from.body as WatchEvent).page === undefined,
          ...(rest.next ? { next: plan.envelope(rest.next.envelope) } : {}),
        }
      case 'message-gone':
        return { ...rest, known: thread(rest.thread), message: message(rest.id), digest: digestOf(rest.id) }
      case 'message-relabelled':
        return {
          fact: rest.fact,
          thread: rest.thread,
          id: rest.id,
          known: thread(rest.thread),
          ...(rest.message ? { message: message(rest.id), text: plan.text(JSON.stringify(rest.message)) } : {}),
        }
      case 'window-grouped':
        return {
          fact: rest.fact,
          window: window(rest.window),
          name: rest.window,
          ...groupedAs(rest, { thread, message }),
        }
      case 'thread-released':
        return {
          fact: rest.fact,
          thread: rest.thread,
          known: thread(rest.thread),
          warm: plan.key(names.warm(from.mailbox)),
          seen: rest.seen,
          version: rest.version,
          empty: rest.empty ?? false,
          ...carried(rest.delivery),
        }
      case 'set-aside':
        return {
          fact: rest.fact,
          window: window(rest.window),
          index: rest.index,
          own: window(rest.own),
          ownName: rest.own,
          known: thread(rest.thread),
          delays: plan.delay(stage),
          inMs: rest.dueAt - now(),
          ...waitsAs(plan, names, rest),
          ...notedAt(plan, names, from, rest.own),
        }
      case 'still-deferred':
        return {
          fact: rest.fact,
          note: plan.text(JSON.stringify(rest.note)),
          ...notedAt(plan, names, from, rest.window),
        }
      case 'deferral-ended':
        return { ...rest, known: thread(rest.thread) }
      case 'look-later': {
        const look = nextRun(from.mailbox, { cause: 'look', left: rest.left })
        const key = names.stream(partition, watchEvents.name, look.lane)
        return {
          fact: rest.fact,
          inMs: rest.dueAt - now(),
          afterRun: rest.afterRun ?? false,
          delays: plan.delay('list-ids'),
          member: plan.text(`${key}\n${encodeEnvelope(look)}`),
        }
      }
      case 'thread-settled': {
        const { delivery, givenUp = false, ...said } = rest
        return { ...said, id: from.id, known: thread(said.thread), givenUp, ...carried(delivery) }
      }
      case 'known-read':
      case 'release-handled':
        return { ...rest, id: from.id }
      case 'suspected':
      case 'suspects-cleared':
      case 'cursor-moved':
      case 'run-failed':
      case 'run-stalled':
      case 'context-asked':
      case 'look-taken':
        return rest
    }
  }
}
