import type { Envelope } from '../../shared/envelope.ts'
import type { Fact, PendingThread } from '../../shared/fact.ts'
import type { Message, MessageId } from '../../shared/message.ts'
import { joined, type Outcome, type Stage, type StageContext } from '../../shared/stage.ts'
import { type Fate, type MergedWindow, merged, missingIds, threads } from '../../shared/streams.ts'
import { type IsOwner, ownerIn, ownerWrote } from '../../shared/task/owner.ts'
import { isOwnWindow } from '../../shared/windows/deferred.ts'
import { kindOf, type WindowKind } from '../../shared/windows/kinds.ts'
import { askContext } from '../../shared/windows/refetch.ts'
import { candidates, emitThread, type Newest, newestOf } from './emit-thread.ts'

type Item = Envelope<MergedWindow>

/** The largest number of threads per release. */
export const THREADS_PER_RELEASE = 100

// With texts at their cap, about 25 MB.
const MESSAGES_AT_ONCE = 100

const nothing: ReadonlyMap<MessageId, Message> = new Map()

/** Groups merged windows into threads, and emits the threads of a run once all their messages are cached. */
export const threadGroup: Stage<MergedWindow> = {
  name: 'thread-group',
  reads: [merged],
  writes: [threads, missingIds, merged],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, ctx) {
    const grouped = batch.items.filter(({ body }) => !body.release)
    const present = grouped.flatMap(({ body }) => (body.context ? [] : body.items.filter(({ fate }) => isThere(fate))))
    const cached = await heads(
      present.map(({ id }) => id),
      ctx,
    )
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
  const withEffect = (effect: ReturnType<typeof effectOf>) =>
    items.filter(({ fate }) => effectOf(fate, kind) === effect)
  // Messages of a context window are known already: they make no thread grow.
  const isOwner = ownerIn(item.mailbox, [...cached.values()])
  const fresh = context ? [] : withEffect('present').map(one => ({ ...one, ...receiptOf(cached.get(one.id), isOwner) }))
  return {
    facts: [
      { fact: 'window-grouped', from: item, window, context, items, fresh, gone: withEffect('removed') },
      ...(isOwnWindow(window) ? items.map(one => endDeferral(item, one)) : []),
    ],
  }
}

function receiptOf(message: Message | undefined, isOwner: IsOwner) {
  return message ? { date: message.date, isOwn: ownerWrote([message], isOwner) } : {}
}

// A dead message of a context window leaves its thread, which would otherwise wait for it; the dead letter has the reason.
const EFFECT_OF_DEAD: Readonly<Record<WindowKind, 'removed' | 'unchanged'>> = {
  page: 'unchanged',
  redriven: 'unchanged',
  context: 'removed',
  verification: 'unchanged',
}

function isThere(fate: Fate): boolean {
  return effectOf(fate, 'page') === 'present'
}

// No default case: the compiler reports a missing fate.
function effectOf(fate: Fate, kind: WindowKind): 'present' | 'removed' | 'unchanged' {
  switch (fate) {
    case 'cached':
    case 'fetched':
      return 'present'
    case 'gone':
    case 'filtered':
      return 'removed'
    case 'dead':
      return EFFECT_OF_DEAD[kind]
    case 'deferred':
      return 'unchanged'
  }
}

// A deferred message has its fate now, so its thread is emitted again.
function endDeferral(from: Item, { id, thread }: Pick<MergedWindow['items'][number], 'id' | 'thread'>): Fact {
  return { fact: 'deferral-ended', from, thread, id }
}

async function release(item: Item, ctx: StageContext): Promise<Outcome<MergedWindow>> {
  const pending = await ctx.ledger.pendingThreads(item.run, THREADS_PER_RELEASE)
  const { newest, cached } = await readNewest(item, pending, ctx)
  const ready = newest.flatMap(one => ('messages' in one ? [one] : []))
  const released = ready.map(one => emitThread(item, one.of, one, ready.length, ctx))
  const lost = newest.flatMap(one => ('lost' in one ? one.lost.map(id => ({ id, thread: one.of.thread })) : []))
  const context = askContext(item, lost, ctx.now())
  return {
    deliveries: context.deliveries ?? [],
    facts: [
      ...released,
      ...(context.facts ?? []),
      ...countRereads(item, newest, cached),
      { fact: 'release-handled', from: item },
    ],
  }
}

// Texts are dropped a few messages at a time: of a hundred threads they may be hundreds of megabytes.
async function readNewest(item: Item, pending: readonly PendingThread[], ctx: StageContext) {
  const newest: ({ of: PendingThread } & Newest)[] = []
  const cached = new Set<MessageId>()
  for (const some of inChunks(pending, thread => candidates(thread, ctx.task).length)) {
    const found = await ctx.cache.get(some.flatMap(thread => candidates(thread, ctx.task)))
    for (const id of found.keys()) cached.add(id)
    for (const of of some) {
      const one = newestOf(of, { mailbox: item.mailbox, cached: found, options: ctx.task })
      newest.push({ of, ...('messages' in one ? { ...one, messages: one.messages.map(headOf) } : one) })
    }
  }
  return { newest, cached }
}

async function heads(ids: readonly MessageId[], ctx: StageContext): Promise<ReadonlyMap<MessageId, Message>> {
  const read = new Map<MessageId, Message>()
  for (const some of inChunks(ids, () => 1))
    for (const [id, message] of await ctx.cache.get(some)) read.set(id, headOf(message))
  return read
}

function headOf({ body: _, ...head }: Message): Message {
  return head
}

// Each chunk reads as many messages at most, or is one thread.
function inChunks<T>(all: readonly T[], countOf: (one: T) => number): T[][] {
  const chunks: T[][] = []
  let left = 0
  for (const one of all) {
    const count = countOf(one)
    if (count > left || chunks.length === 0) {
      chunks.push([])
      left = MESSAGES_AT_ONCE
    }
    chunks.at(-1)?.push(one)
    left -= count
  }
  return chunks
}

// Threads that return from a context window are excluded: their lost messages were refetched and say nothing about the cache.
function countRereads(
  from: Item,
  newest: readonly ({ of: PendingThread } & Newest)[],
  cached: ReadonlySet<MessageId>,
): Fact[] {
  const counted = newest.filter(({ of }) => !of.cameBack)
  const known = counted.flatMap(one => {
    const ids =
      'lost' in one ? [...one.of.ids.filter(id => cached.has(id)), ...one.lost] : one.messages.map(({ id }) => id)
    return ids.filter(id => !one.of.fresh.includes(id))
  })
  const lost = known.filter(id => !cached.has(id)).length
  return known.length > 0 ? [{ fact: 'known-read', from, messages: known.length, lost }] : []
}
