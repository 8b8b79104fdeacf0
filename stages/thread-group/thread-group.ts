import type { Envelope } from '../../shared/envelope.ts'
import type { Fact, PendingThread } from '../../shared/fact.ts'
import type { Message, MessageId } from '../../shared/message.ts'
import { follow, joined, type Outcome, type Stage, type StageContext } from '../../shared/stage.ts'
import { type Fate, type MergedWindow, merged, missingIds, type ThreadChange, threads } from '../../shared/streams.ts'
import { threadVersion } from '../../shared/task/task.ts'
import { isOwnWindow } from '../../shared/windows/deferred.ts'
import { kindOf, type WindowKind } from '../../shared/windows/kinds.ts'
import { askContext } from '../../shared/windows/refetch.ts'
import { candidates, type Newest, newestOf } from './newest.ts'

type Item = Envelope<MergedWindow>

/** The most threads that one release lets out. */
export const THREADS_A_RELEASE = 100

// So that an entry never grows beyond what is read.
const MOST_OMITTED = 1000

const nothing: ReadonlyMap<MessageId, Message> = new Map()

/** Groups merged windows into threads, and lets a run's threads go out when all their mail is at hand. */
export const threadGroup: Stage<MergedWindow> = {
  name: 'thread-group',
  reads: [merged],
  writes: [threads, missingIds, merged],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, ctx) {
    const grouped = batch.items.filter(({ body }) => !body.release)
    const stays = grouped.flatMap(({ body }) => (body.context ? [] : body.items.filter(({ fate }) => isThere(fate))))
    const cached = stays.length > 0 ? await ctx.cache.get(stays.map(({ id }) => id)) : nothing
    const outcomes = await Promise.all(
      batch.items.map(item => (item.body.release ? release(item, ctx) : group(item, cached))),
    )
    return joined(outcomes)
  },

  deadLetter: item => (item.body.release ? { facts: [{ fact: 'release-handled', from: item }] } : group(item)),
}

function group(item: Item, cached: ReadonlyMap<MessageId, Message> = nothing): Outcome<MergedWindow> {
  const { window, context, items } = item.body
  const kind = kindOf(window)
  const those = (way: ReturnType<typeof wayOf>) => items.filter(({ fate }) => wayOf(fate, kind) === way)
  // The messages of a context window are old acquaintances: they make no thread grow.
  const fresh = context ? [] : those('stays').map(one => ({ ...one, date: cached.get(one.id)?.date }))
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

function isThere(fate: Fate): boolean {
  return wayOf(fate, 'page') === 'stays'
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

async function release(item: Item, ctx: StageContext): Promise<Outcome<MergedWindow>> {
  const pending = await ctx.ledger.pendingThreads(item.run, THREADS_A_RELEASE)
  const held = await ctx.cache.get(pending.flatMap(thread => candidates(thread, ctx.task)))
  const { mailbox } = item
  const newest = pending.map(of => ({ of, ...newestOf(of, { mailbox, held, options: ctx.task }) }))
  const ready = newest.flatMap(one => ('messages' in one ? [one] : []))
  const released = ready.map(({ of, messages }) => goOut(item, of, messages, ready.length, ctx))
  const lost = newest.flatMap(one => ('lost' in one ? one.lost.map(id => ({ id, thread: one.of.thread })) : []))
  const context = askContext(item, lost, ctx.now())
  return {
    deliveries: context.deliveries ?? [],
    facts: [
      ...released,
      ...(context.facts ?? []),
      ...readAgain(item, newest, held),
      { fact: 'release-handled', from: item },
    ],
  }
}

// Of a thread that comes back what was lost has been fetched, and says nothing of the cache any more.
function readAgain(
  from: Item,
  newest: readonly ({ of: PendingThread } & Newest)[],
  held: ReadonlyMap<MessageId, Message>,
): Fact[] {
  const looked = newest.filter(({ of }) => !of.cameBack)
  const known = looked.flatMap(one => {
    const ids =
      'lost' in one ? [...one.of.ids.filter(id => held.has(id)), ...one.lost] : one.messages.map(({ id }) => id)
    return ids.filter(id => !one.of.fresh.includes(id))
  })
  const lost = known.filter(id => !held.has(id)).length
  return known.length > 0 ? [{ fact: 'known-read', from, messages: known.length, lost }] : []
}

function goOut(item: Item, pending: PendingThread, newest: readonly Message[], of: number, ctx: StageContext): Fact {
  const { thread, seen } = pending
  const here = new Set(newest.map(({ id }) => id))
  const omitted = pending.omitted.filter(id => !here.has(id)).toSorted()
  const version = threadVersion(newest, ctx.task, omitted)
  // A listing may name a message twice.
  const fresh = [...new Set(pending.fresh)].filter(id => here.has(id))
  const known = new Set(pending.ids)
  const waiting = omitted.filter(id => known.has(id)).length
  // Without new mail less of it would go out than went out before: it goes once what it lacks is back.
  const isLessThanBefore = pending.known && fresh.length === 0 && waiting > 0
  if (newest.length === 0 || isLessThanBefore) {
    return { fact: 'thread-released', from: item, thread, seen, version, empty: pending.ids.length === 0 }
  }
  const body = {
    thread,
    version,
    ids: newest.map(({ id }) => id).toReversed(),
    fresh,
    older: pending.ids.length - newest.length - waiting + (pending.older ?? 0),
    omitted: omitted.slice(0, MOST_OMITTED),
    reason: reasonOf(pending.known, fresh),
    part: { group: item.id, of },
  }
  return {
    fact: 'thread-released',
    from: item,
    thread,
    seen,
    version,
    delivery: follow(item, threads, `${item.id}/${thread}`, body, ctx.now()),
  }
}

function reasonOf(known: boolean, fresh: readonly string[]): ThreadChange['reason'] {
  if (!known) return 'new'
  return fresh.length > 0 ? 'grown' : 'changed'
}
