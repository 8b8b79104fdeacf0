import type { Envelope } from '../../shared/envelope.ts'
import type { Fact, PendingThread } from '../../shared/fact.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Message, MessageId } from '../../shared/message.ts'
import { follow, type StageContext } from '../../shared/stage.ts'
import { type MergedWindow, type ThreadChange, threads } from '../../shared/streams.ts'
import { isDraft, ownerIn, ownerWrote } from '../../shared/task/owner.ts'
import { messagesThatFit, mostMessages, type TaskOptions, threadVersion } from '../../shared/task/task.ts'

/**
 * The newest messages of a thread that fit its task, how many drafts were passed over, and whether the owner wrote one of its messages; or the
 * lost messages to fetch first to find out.
 */
export type Newest = { messages: Message[]; drafts: number; ownerWrote: boolean } | { lost: MessageId[] }

// Bounds the entry below the read limit for any token budget: a thread version names its ids twice.
const MAX_IDS = 1000
const MAX_CHARACTERS = 300_000

/** Returns the ids of the newest messages that can fit the task of a thread, newest first. */
export function candidates({ ids }: Pick<PendingThread, 'ids'>, options: TaskOptions): readonly MessageId[] {
  let characters = 0
  const end = ids.findIndex((id, place) => {
    characters += id.length
    return place >= Math.min(MAX_IDS, mostMessages(options)) || (place > 0 && characters > MAX_CHARACTERS)
  })
  return end === -1 ? ids : ids.slice(0, end)
}

/**
 * Chooses the newest messages of a thread to emit. The choice depends only on the mail, not on what the cache has lost.
 * Lost messages are requested a few at a time, because only fetched ones show how many fit; deferred messages are skipped, and so are drafts
 * in a thread with other mail.
 */
export function newestOf(
  thread: PendingThread,
  { mailbox, cached, options }: { mailbox: MailboxId; cached: ReadonlyMap<MessageId, Message>; options: TaskOptions },
): Newest {
  const deferred = new Set(thread.omitted)
  const wanted = candidates(thread, options).filter(id => cached.has(id) || !deferred.has(id))
  const firstLost = wanted.findIndex(id => !cached.has(id))
  // Messages that repeated requests did not bring count as gone.
  const isWhole = firstLost === -1 || thread.contextAsked
  const found = (isWhole ? wanted : wanted.slice(0, firstLost)).flatMap(id => cached.get(id) ?? [])
  const messages = withoutDrafts(found)
  const { count, more } = messagesThatFit(
    { mailbox, thread: thread.thread, omitted: thread.omitted },
    messages,
    options,
  )
  if (isWhole || more === 0)
    return {
      messages: messages.slice(0, count),
      drafts: found.length - messages.length,
      ownerWrote: thread.ownerWrote === true || ownerWrote(found, ownerIn(mailbox, found)),
    }
  return { lost: wanted.slice(firstLost, firstLost + more).filter(id => !cached.has(id)) }
}

// A thread of drafts alone is emitted, so that ai-dispatch can say why it becomes no task.
function withoutDrafts(messages: readonly Message[]): readonly Message[] {
  const sent = messages.filter(message => !isDraft(message))
  return sent.length > 0 ? sent : messages
}

// Bounds the entry below the read limit.
const MAX_OMITTED = 1000
const MAX_OLDER = 100

/**
 * Emits a thread with its newest messages, one of `of` in its release. A thread without messages, or one that would only shrink while
 * deferred messages are missing, is released without a delivery.
 */
export function emitThread(
  item: Envelope<MergedWindow>,
  pending: PendingThread,
  { messages: newest, drafts, ownerWrote }: Extract<Newest, { messages: Message[] }>,
  of: number,
  ctx: StageContext,
): Fact {
  const { thread, seen } = pending
  const here = new Set(newest.map(({ id }) => id))
  const omitted = pending.omitted.filter(id => !here.has(id)).toSorted()
  const version = threadVersion(newest, ctx.task, omitted)
  // A listing may contain a message twice.
  const unsent = [...new Set([...(pending.unsent ?? []), ...pending.fresh])]
  const fresh = unsent.filter(id => here.has(id))
  const known = new Set(pending.ids)
  const waiting = omitted.filter(id => known.has(id)).length
  // Without new mail the thread would shrink: it is emitted once the missing messages are back.
  const isLessThanBefore = pending.known && fresh.length === 0 && waiting > 0
  if (newest.length === 0 || isLessThanBefore) {
    return { fact: 'thread-released', from: item, thread, seen, version, empty: pending.ids.length === 0 }
  }
  const body = {
    thread,
    version,
    ids: newest.map(({ id }) => id).toReversed(),
    fresh,
    older: Math.max(0, pending.ids.length - newest.length - drafts - waiting) + (pending.older ?? 0),
    olderIds: [...olderOf(pending, here, omitted), ...(pending.olderIds ?? [])].slice(0, MAX_OLDER),
    omitted: omitted.slice(0, MAX_OMITTED),
    reason: reasonOf(pending.known, fresh),
    ownerWrote,
    ...(pending.waitsSince === undefined ? {} : { waitsSince: pending.waitsSince }),
    part: { group: item.id, of },
  }
  return {
    fact: 'thread-released',
    from: item,
    thread,
    seen,
    version,
    // Of a thread without a task, all mail is new.
    ...(pending.known && unsent.length > 0 ? { unsent: unsent.slice(-MAX_IDS) } : {}),
    unsentBefore: pending.unsent ?? [],
    waits: (ctx.dispatch?.debounceMs ?? 0) > 0,
    delivery: follow(item, threads, `${item.id}/${thread}`, body, ctx.now()),
  }
}

// Newest first, so that a task names the nearest ones.
function olderOf({ ids }: PendingThread, here: ReadonlySet<MessageId>, omitted: readonly MessageId[]): MessageId[] {
  const others = new Set(omitted)
  return ids.filter(id => !here.has(id) && !others.has(id))
}

function reasonOf(known: boolean, fresh: readonly string[]): ThreadChange['reason'] {
  if (!known) return 'new'
  return fresh.length > 0 ? 'grown' : 'changed'
}
