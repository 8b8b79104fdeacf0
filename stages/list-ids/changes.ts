import type { Envelope } from '../../shared/envelope.ts'
import type { Fact } from '../../shared/fact.ts'
import type { Changes, Gone, LabelChange, Listed } from '../../shared/mailbox.ts'
import type { Message, MessageId, ThreadId } from '../../shared/message.ts'
import type { Outcome, StageContext } from '../../shared/stage.ts'
import { labelsMatter } from '../../shared/task/task.ts'

/** The changes on a page besides new mail, the ids on it that are known, and its number. */
export interface PageChanges {
  changes: Pick<Changes, 'ids' | 'gone' | 'labels' | 'messages' | 'left'>
  known: ReadonlySet<MessageId>
  page: number
}

/**
 * Applies the changes on a page: caches its messages, removes messages that are gone from their threads, updates labels in the cache
 * without a fetch, and marks threads that get another version. Idempotent.
 */
export async function followChanges<In>(
  item: Envelope<In>,
  pageChanges: PageChanges,
  ctx: StageContext,
): Promise<Outcome<In>> {
  const { changes, known, page } = pageChanges
  await relabel(changes.labels, ctx)
  const changed = await cacheMessages(pageChanges, ctx)
  const leftOut = changes.ids.filter(({ id, filtered }) => known.has(id) && filtered !== undefined)
  const gone = await withThreads([...changes.gone, ...leftOut], ctx)
  const relabelled = await withThreads(
    changes.labels.filter(({ added, removed }) => labelsMatter([...added, ...removed])),
    ctx,
  )
  return {
    facts: [
      ...gone.map(({ id, thread }): Fact => ({ fact: 'message-gone', from: item, thread, id, page })),
      ...relabelled.map(({ id, thread }): Fact => ({ fact: 'message-relabelled', from: item, thread, id })),
      ...changed.map(
        (message): Fact => ({
          fact: 'message-relabelled',
          from: item,
          thread: message.thread,
          id: message.id,
          message,
        }),
      ),
    ],
  }
}

async function relabel(changes: readonly LabelChange[], ctx: StageContext): Promise<void> {
  if (changes.length === 0) return
  const cached = await ctx.cache.get(changes.map(({ id }) => id))
  const changed = changes.flatMap(change => {
    const message = cached.get(change.id)
    return message ? [relabelled(message, change)] : []
  })
  await ctx.cache.put(changed)
}

function relabelled(message: Message, { added, removed }: LabelChange): Message {
  const kept = message.labels.filter(label => !removed.includes(label))
  return { ...message, labels: [...new Set([...kept, ...added])] }
}

// Known mail is listed again because something about it changed; only the cached copy shows which labels. That copy stays until the change is
// committed: otherwise a retry after a crash would find no difference.
async function cacheMessages(
  { changes: { messages = [] }, known }: PageChanges,
  ctx: StageContext,
): Promise<Message[]> {
  if (messages.length === 0) return []
  const again = messages.filter(({ id }) => known.has(id))
  const cached = again.length > 0 ? await ctx.cache.get(again.map(({ id }) => id)) : new Map<MessageId, Message>()
  const changed = again.filter(({ id, labels }) => labelsMatter(differing(labels, cached.get(id)?.labels ?? [])))
  await ctx.cache.put(messages.filter(message => !changed.includes(message)))
  return changed
}

function differing(some: readonly string[], others: readonly string[]): string[] {
  return [...some.filter(one => !others.includes(one)), ...others.filter(one => !some.includes(one))]
}

/** Returns known mail that left a part of the mailbox and is not listed elsewhere on the page: it may be gone. */
export async function missedOn({ ids, left = [] }: PageChanges['changes'], ctx: StageContext): Promise<Listed[]> {
  // A message that is also listed on the page has only moved.
  const here = new Set(ids.map(({ id }) => id))
  const away = left.filter(id => !here.has(id))
  // Messages of an earlier page become known when their window is grouped; until then they are cached.
  const cached = away.length > 0 ? await ctx.cache.get(away) : new Map<MessageId, Message>()
  return withThreads(
    away.map(id => ({ id, ...threadIn(cached.get(id)) })),
    ctx,
  )
}

function threadIn(message: Message | undefined): { thread?: ThreadId } {
  return message ? { thread: message.thread } : {}
}

// Providers that report no thread rely on the known threads; an unknown message needs no removal.
async function withThreads<T extends Gone>(
  items: readonly T[],
  ctx: StageContext,
): Promise<(T & { thread: ThreadId })[]> {
  const without = items.flatMap(({ id, thread }) => (thread === undefined ? [id] : []))
  const threads = without.length > 0 ? await ctx.ledger.threadsOf(without) : new Map<MessageId, ThreadId>()
  return items.flatMap(one => {
    const thread = one.thread ?? threads.get(one.id)
    return thread === undefined ? [] : [{ ...one, thread }]
  })
}
