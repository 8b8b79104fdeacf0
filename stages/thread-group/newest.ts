import type { PendingThread } from '../../shared/fact.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Message, MessageId } from '../../shared/message.ts'
import { heldBy, mostMessages, type TaskOptions } from '../../shared/task/task.ts'

/** The newest messages of a thread that its task can hold; or those to be fetched first, to find out which these are. */
export type Newest = { messages: Message[] } | { lost: MessageId[] }

// So that an entry never grows beyond what is read, whatever the budget: a version of a thread names its ids twice.
const MOST_IDS = 1000
const MOST_CHARACTERS = 300_000

/** The ids of a thread's newest messages, which are all that its task can hold; the newest first. */
export function candidates({ ids }: Pick<PendingThread, 'ids'>, options: TaskOptions): readonly MessageId[] {
  let characters = 0
  const end = ids.findIndex((id, place) => {
    characters += id.length
    return place >= Math.min(MOST_IDS, mostMessages(options)) || (place > 0 && characters > MOST_CHARACTERS)
  })
  return end === -1 ? ids : ids.slice(0, end)
}

/**
 * Which of a thread's newest messages go out, by those of them that are cached. It is the same for the same mail, whatever the cache has lost.
 * Lost messages are asked for a few at a time, for how many fit is known only once they are there; what was set aside is passed over.
 */
export function newestOf(
  thread: PendingThread,
  { mailbox, held, options }: { mailbox: MailboxId; held: ReadonlyMap<MessageId, Message>; options: TaskOptions },
): Newest {
  const setAside = new Set(thread.omitted)
  const wanted = candidates(thread, options).filter(id => held.has(id) || !setAside.has(id))
  const firstLost = wanted.findIndex(id => !held.has(id))
  // What was asked for in vain again and again is gone, or as good as.
  const isWhole = firstLost === -1 || thread.contextAsked
  const messages = (isWhole ? wanted : wanted.slice(0, firstLost)).flatMap(id => held.get(id) ?? [])
  const { count, more } = heldBy({ mailbox, thread: thread.thread, omitted: thread.omitted }, messages, options)
  if (isWhole || more === 0) return { messages: messages.slice(0, count) }
  return { lost: wanted.slice(firstLost, firstLost + more).filter(id => !held.has(id)) }
}
