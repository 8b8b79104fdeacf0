import type { Envelope } from './envelope.ts'
import type { Fact } from './fact.ts'
import type { Changes, Gone, LabelChange } from './mailbox.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Run } from './stage.ts'
import { labelsMatter } from './task.ts'

/**
 * What follows from mail that is gone and labels that changed, as a page tells it: messages leave their threads, labels change in the
 * cache without a fetch, and threads that are another version for it will go out again. Doing it again does no harm.
 */
export async function followChanges(
  item: Envelope,
  changes: Pick<Changes, 'gone' | 'labels'>,
  page: number,
  run: Run,
): Promise<Fact[]> {
  await relabel(changes.labels, run)
  const gone = await withThreads(changes.gone, run)
  return [
    ...gone.map(({ id, thread }): Fact => ({ fact: 'message-gone', from: item, thread, id, page })),
    ...changes.labels
      .filter(({ added, removed }) => labelsMatter([...added, ...removed]))
      .map(({ id, thread }): Fact => ({ fact: 'message-relabelled', from: item, thread, id })),
  ]
}

async function relabel(changes: readonly LabelChange[], run: Run): Promise<void> {
  if (changes.length === 0) return
  const held = await run.cache.get(changes.map(({ id }) => id))
  const changed = changes.flatMap(change => {
    const message = held.get(change.id)
    return message ? [relabelled(message, change)] : []
  })
  await run.cache.put(changed)
}

function relabelled(message: Message, { added, removed }: LabelChange): Message {
  const kept = message.labels.filter(label => !removed.includes(label))
  return { ...message, labels: [...new Set([...kept, ...added])] }
}

// A provider that tells no thread is helped by what is at hand; a message that is not known anywhere is missed by nobody.
async function withThreads(gone: readonly Gone[], run: Run): Promise<{ id: MessageId; thread: ThreadId }[]> {
  const without = gone.flatMap(({ id, thread }) => (thread === undefined ? [id] : []))
  const threads = without.length > 0 ? await run.ledger.threadsOf(without) : new Map<MessageId, ThreadId>()
  return gone.flatMap(({ id, thread = threads.get(id) }) => (thread === undefined ? [] : [{ id, thread }]))
}
