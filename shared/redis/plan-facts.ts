import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { Delivery, Fact } from '../fact.ts'
import type { MailboxId } from '../mailbox.ts'
import { encodeEntry } from '../slice.ts'
import type { StageName } from '../stage.ts'
import { type Stream, type WatchEvent, watchEvents } from '../streams.ts'
import { packMessageNow } from './cached-message.ts'
import type { Keys, Partition } from './keys.ts'
import { digestOf } from './known.ts'
import { notedAt, waitsAs } from './plan-deferred.ts'
import { groupedAs } from './plan-grouped.ts'

/** A fact that `facts.lua` applies; inputs of a paused mailbox are handled separately. */
export type StateFact = Exclude<Fact, { fact: 'paused' }>

type Described = Exclude<StateFact, { fact: 'fate-known' }>
type Description = Record<string, unknown>

/** The plan that a description adds its keys and texts to, and its surroundings. */
interface Surroundings {
  plan: {
    key(key: string): number
    text(text: string): number
    envelope(envelope: Envelope): number
    stream(to: Stream, envelope: Envelope): number
    delay(stage: StageName): number
  }
  names: Keys
  partition: Partition
  stage: StageName
  now: () => number
  nextRun(mailbox: MailboxId, body: WatchEvent): Envelope
}

/** Describes a fact as `facts.lua` reads it. */
export function describeFact(fact: Described, to: Surroundings): Description {
  switch (fact.fact) {
    case 'window-opened':
    case 'window-grouped':
    case 'page-listed':
      return describeWindow(fact, to)
    case 'set-aside':
    case 'still-deferred':
    case 'deferral-ended':
    case 'look-scheduled':
      return describeWait(fact, to)
    case 'message-gone':
    case 'message-relabelled':
    case 'thread-released':
    case 'thread-settled':
    case 'task-sent':
      return describeThread(fact, to)
    case 'known-read':
    case 'release-handled': {
      const { from, ...rest } = fact
      return { ...rest, id: from.id }
    }
    // Without a default, so that the compiler reports a missing fact.
    case 'suspected':
    case 'suspects-cleared':
    case 'cursor-moved':
    case 'run-failed':
    case 'run-stalled':
    case 'context-asked':
    case 'look-begun': {
      const { from: _, ...rest } = fact
      return rest
    }
  }
}

type WindowFact = Extract<Described, { fact: 'window-opened' | 'window-grouped' | 'page-listed' }>

function describeWindow(fact: WindowFact, to: Surroundings): Description {
  const { from, ...rest } = fact
  const { plan } = to
  const { window, thread, message } = keysOf(from, to)
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
    case 'window-grouped':
      return {
        fact: rest.fact,
        window: window(rest.window),
        name: rest.window,
        ...groupedAs(rest, { thread, message }),
      }
  }
}

type WaitFact = Extract<Described, { fact: 'set-aside' | 'still-deferred' | 'deferral-ended' | 'look-scheduled' }>

function describeWait(fact: WaitFact, to: Surroundings): Description {
  const { from, ...rest } = fact
  const { plan, names, partition, stage, now, nextRun } = to
  const { window, thread } = keysOf(from, to)
  switch (rest.fact) {
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
    case 'look-scheduled': {
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
  }
}

type ThreadFact = Extract<
  Described,
  { fact: 'message-gone' | 'message-relabelled' | 'thread-released' | 'thread-settled' | 'task-sent' }
>

function describeThread(fact: ThreadFact, to: Surroundings): Description {
  const { from, ...rest } = fact
  const { plan, names } = to
  const { thread, message } = keysOf(from, to)
  const carried = (delivery: Delivery | undefined) =>
    delivery
      ? {
          to: plan.stream(delivery.to, delivery.envelope),
          envelope: plan.text(encodeEntry(delivery.to, [delivery.envelope])),
        }
      : {}
  switch (rest.fact) {
    case 'message-gone':
      return { ...rest, known: thread(rest.thread), message: message(rest.id), digest: digestOf(rest.id) }
    case 'message-relabelled':
      return {
        fact: rest.fact,
        thread: rest.thread,
        id: rest.id,
        known: thread(rest.thread),
        ...(rest.message ? { message: message(rest.id), text: plan.text(packMessageNow(rest.message)) } : {}),
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
        waits: rest.waits ?? false,
        unsentBefore: idsText(rest.unsentBefore),
        ...(rest.unsent ? { unsent: idsText(rest.unsent) } : {}),
        ...carried(rest.delivery),
      }
    case 'thread-settled': {
      const { delivery, givenUp = false, unsent, ...said } = rest
      const later = unsent ? { unsent: idsText(unsent) } : {}
      return { ...said, ...later, id: from.id, known: thread(said.thread), givenUp, ...carried(delivery) }
    }
    case 'task-sent': {
      const { answer, ...said } = rest
      const latest = answer && {
        result: plan.key(names.result(from.mailbox, said.thread)),
        latest: plan.text(JSON.stringify(answer.envelope.body)),
      }
      return { ...said, known: thread(said.thread), ...carried(answer), ...latest }
    }
  }
}

// As the thread's hash holds them.
function idsText(ids: readonly string[] = []): string {
  return ids.length > 0 ? JSON.stringify(ids) : ''
}

function keysOf({ run, mailbox }: Envelope, { plan, names, partition }: Surroundings) {
  return {
    window: (name: string) => plan.key(names.window(partition, run, name)),
    thread: (id: string) => plan.key(names.thread(mailbox, id)),
    message: (id: string) => plan.key(names.message(mailbox, id)),
  }
}
