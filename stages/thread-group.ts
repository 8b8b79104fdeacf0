import { askContext, joined, kindOf, type WindowKind } from '../shared/context.ts'
import { isOwnWindow } from '../shared/deferred.ts'
import type { Envelope } from '../shared/envelope.ts'
import type { Fact, PendingThread } from '../shared/fact.ts'
import type { Message } from '../shared/message.ts'
import { follow, type Outcome, type Run, type Stage } from '../shared/stage.ts'
import { type Fate, type MergedWindow, merged, missingIds, type ThreadChange, threads } from '../shared/streams.ts'
import { threadVersion } from '../shared/task.ts'

type Item = Envelope<MergedWindow>

/** The most threads that one release lets out. */
export const THREADS_A_RELEASE = 100

/** Groups merged windows into threads, and lets a run's threads go out when all their mail is at hand. */
export const threadGroup: Stage<MergedWindow> = {
  name: 'thread-group',
  reads: [merged],
  writes: [threads, missingIds, merged],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, run) {
    const outcomes = await Promise.all(batch.items.map(item => (item.body.release ? release(item, run) : group(item))))
    return joined(outcomes)
  },

  bury: item => (item.body.release ? { facts: [{ fact: 'release-handled', from: item }] } : group(item)),
}

function group(item: Item): Outcome<MergedWindow> {
  const { window, context, items } = item.body
  const kind = kindOf(window)
  const those = (way: ReturnType<typeof wayOf>) => items.filter(({ fate }) => wayOf(fate, kind) === way)
  // The messages of a context window are old acquaintances: they make no thread grow.
  const fresh = context ? [] : those('stays')
  return {
    facts: [
      { fact: 'window-grouped', from: item, window, context, items, fresh, gone: those('leaves') },
      ...(isOwnWindow(window) ? items.map(one => comesBack(item, one)) : []),
    ],
  }
}

// A message without which its thread would have to wait leaves it when it cannot be had; its dead letter says why.
const OF_DEAD: Readonly<Record<WindowKind, 'leaves' | 'neither'>> = {
  page: 'neither',
  redriven: 'neither',
  context: 'leaves',
  verification: 'neither',
}

// Without a default: the compiler names the fate that is forgotten here.
function wayOf(fate: Fate, kind: WindowKind): 'stays' | 'leaves' | 'neither' {
  switch (fate) {
    case 'cached':
    case 'fetched':
      return 'stays'
    case 'gone':
    case 'filtered':
      return 'leaves'
    case 'dead':
      return OF_DEAD[kind]
    case 'deferred':
      return 'neither'
  }
}

// What was set aside has its fate now: its thread goes out once more.
function comesBack(from: Item, { id, thread }: Pick<MergedWindow['items'][number], 'id' | 'thread'>): Fact {
  return { fact: 'deferral-ended', from, thread, id }
}

async function release(item: Item, run: Run): Promise<Outcome<MergedWindow>> {
  const pending = await run.ledger.pendingThreads(item.run, THREADS_A_RELEASE)
  const held = await run.cache.get(pending.flatMap(thread => thread.ids))
  const isLost = ({ omitted }: PendingThread, id: string) => !held.has(id) && !omitted.includes(id)
  const lacking = pending.filter(thread => !thread.contextAsked && thread.ids.some(id => isLost(thread, id)))
  const ready = pending.filter(thread => !lacking.includes(thread))
  const released = ready.map(thread => goOut(item, thread, messagesOf(thread, held), ready.length, run))
  const lost = lacking.flatMap(of => of.ids.filter(id => isLost(of, id)).map(id => ({ id, thread: of.thread })))
  const context = askContext(item, lost, run.now())
  return {
    deliveries: context.deliveries ?? [],
    facts: [
      ...released,
      ...(context.facts ?? []),
      ...readAgain(item, pending, held),
      { fact: 'release-handled', from: item },
    ],
  }
}

// Of a thread that comes back what was lost has been fetched, and says nothing of the cache any more.
function readAgain(from: Item, pending: readonly PendingThread[], held: ReadonlyMap<string, Message>): Fact[] {
  const looked = pending.filter(({ cameBack }) => !cameBack)
  const known = looked.flatMap(({ ids, fresh }) => ids.filter(id => !fresh.includes(id)))
  const lost = known.filter(id => !held.has(id)).length
  return known.length > 0 ? [{ fact: 'known-read', from, messages: known.length, lost }] : []
}

function goOut(item: Item, pending: PendingThread, messages: readonly Message[], of: number, run: Run): Fact {
  const { thread, seen } = pending
  const omitted = pending.omitted.filter(id => !messages.some(message => message.id === id)).toSorted()
  const version = threadVersion(messages, run.task, omitted)
  // A listing may name a message twice.
  const fresh = [...new Set(pending.fresh)].filter(id => messages.some(message => message.id === id))
  // Without new mail less of it would go out than went out before: it goes once what it lacks is back.
  const isLessThanBefore = pending.known && fresh.length === 0 && omitted.some(id => pending.ids.includes(id))
  if (messages.length === 0 || isLessThanBefore) {
    return { fact: 'thread-released', from: item, thread, seen, version, empty: pending.ids.length === 0 }
  }
  const body = {
    thread,
    version,
    ids: messages.map(message => message.id),
    fresh,
    omitted,
    reason: reasonOf(pending.known, fresh),
    part: { group: item.id, of },
  }
  return {
    fact: 'thread-released',
    from: item,
    thread,
    seen,
    version,
    delivery: follow(item, threads, `${item.id}/${thread}`, body, run.now()),
  }
}

function reasonOf(known: boolean, fresh: readonly string[]): ThreadChange['reason'] {
  if (!known) return 'new'
  return fresh.length > 0 ? 'grown' : 'changed'
}

function messagesOf(thread: PendingThread, held: ReadonlyMap<string, Message>): Message[] {
  const messages = thread.ids.flatMap(id => held.get(id) ?? [])
  return messages.sort((a, b) => a.date - b.date || (a.id < b.id ? -1 : 1))
}
