import type { Envelope } from '../../shared/envelope.ts'
import type { Fact } from '../../shared/fact.ts'
import type { Changes, Gone, LabelChange, Listed } from '../../shared/mailbox.ts'
import type { Message, MessageId, ThreadId } from '../../shared/message.ts'
import type { Outcome, StageContext } from '../../shared/stage.ts'
import { labelsMatter } from '../../shared/task/task.ts'

/** What a page tells apart from what is new, which of its ids are known already, and its number. */
export interface Reported {
  changes: Pick<Changes, 'ids' | 'gone' | 'labels' | 'messages' | 'left'>
  known: ReadonlySet<MessageId>
  page: number
}

/**
 * What follows from what a page tells: messages it brings go to the cache, messages that are gone leave their threads, labels change in the
 * cache without a fetch, and threads that are another version for it will go out again. Done again, the same follows.
 */
export async function followChanges<In>(
  item: Envelope<In>,
  reported: Reported,
  ctx: StageContext,
): Promise<Outcome<In>> {
  const { changes, known, page } = reported
  await relabel(changes.labels, ctx)
  const recreated = await keep(reported, ctx)
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
      ...recreated.map(
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
  const held = await ctx.cache.get(changes.map(({ id }) => id))
  const changed = changes.flatMap(change => {
    const message = held.get(change.id)
    return message ? [relabelled(message, change)] : []
  })
  await ctx.cache.put(changed)
}

function relabelled(message: Message, { added, removed }: LabelChange): Message {
  const kept = message.labels.filter(label => !removed.includes(label))
  return { ...message, labels: [...new Set([...kept, ...added])] }
}

// Known mail comes again because something about it changed: which labels, only the cache can tell. What it tells must stay there until that is
// committed: done again after a crash, nothing would differ any more.
async function keep({ changes: { messages = [] }, known }: Reported, ctx: StageContext): Promise<Message[]> {
  if (messages.length === 0) return []
  const again = messages.filter(({ id }) => known.has(id))
  const held = again.length > 0 ? await ctx.cache.get(again.map(({ id }) => id)) : new Map<MessageId, Message>()
  const recreated = again.filter(({ id, labels }) => labelsMatter(differing(labels, held.get(id)?.labels ?? [])))
  await ctx.cache.put(messages.filter(message => !recreated.includes(message)))
  return recreated
}

function differing(some: readonly string[], others: readonly string[]): string[] {
  return [...some.filter(one => !others.includes(one)), ...others.filter(one => !some.includes(one))]
}

/** Known mail that a page tells left a part of the mailbox, and does not tell of elsewhere: it may be gone. */
export async function missedOn({ ids, left = [] }: Reported['changes'], ctx: StageContext): Promise<Listed[]> {
  // What is on the page as well has only moved.
  const here = new Set(ids.map(({ id }) => id))
  const away = left.filter(id => !here.has(id))
  // What an earlier page has listed is known only when its window is grouped; until then it is at hand.
  const held = away.length > 0 ? await ctx.cache.get(away) : new Map<MessageId, Message>()
  return withThreads(
    away.map(id => ({ id, ...threadIn(held.get(id)) })),
    ctx,
  )
}

function threadIn(message: Message | undefined): { thread?: ThreadId } {
  return message ? { thread: message.thread } : {}
}

// A provider that tells no thread is helped by what is known; a message that is not known is missed by nobody.
async function withThreads<T extends Gone>(
  reported: readonly T[],
  ctx: StageContext,
): Promise<(T & { thread: ThreadId })[]> {
  const without = reported.flatMap(({ id, thread }) => (thread === undefined ? [id] : []))
  const threads = without.length > 0 ? await ctx.ledger.threadsOf(without) : new Map<MessageId, ThreadId>()
  return reported.flatMap(one => {
    const thread = one.thread ?? threads.get(one.id)
    return thread === undefined ? [] : [{ ...one, thread }]
  })
}
