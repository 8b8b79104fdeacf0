import type { Envelope } from '../../shared/envelope.ts'
import type { Fact, PendingThread } from '../../shared/fact.ts'
import type { Message } from '../../shared/message.ts'
import { follow, type StageContext } from '../../shared/stage.ts'
import { type MergedWindow, type ThreadChange, threads } from '../../shared/streams.ts'
import { threadVersion } from '../../shared/task/task.ts'

// Bounds the entry below the read limit.
const MAX_OMITTED = 1000

/**
 * Emits a thread with its newest messages, one of `of` in its release. A thread without messages, or one that would only shrink while
 * deferred messages are missing, is released without a delivery.
 */
export function emitThread(
  item: Envelope<MergedWindow>,
  pending: PendingThread,
  newest: readonly Message[],
  of: number,
  ctx: StageContext,
): Fact {
  const { thread, seen } = pending
  const here = new Set(newest.map(({ id }) => id))
  const omitted = pending.omitted.filter(id => !here.has(id)).toSorted()
  const version = threadVersion(newest, ctx.task, omitted)
  // A listing may contain a message twice.
  const fresh = [...new Set(pending.fresh)].filter(id => here.has(id))
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
    older: pending.ids.length - newest.length - waiting + (pending.older ?? 0),
    omitted: omitted.slice(0, MAX_OMITTED),
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
