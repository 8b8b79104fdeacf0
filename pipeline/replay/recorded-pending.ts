import type { Envelope } from '../../shared/envelope.ts'
import type { PendingThread } from '../../shared/fact.ts'
import type { Batch } from '../../shared/stage.ts'
import { type ListedId, missingIds, type ThreadChange, threads } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { contextOf, type Lineage } from '../records/lineage.ts'
import { grouped } from '../records/recorded.ts'
import { idsBelow, readMessages } from './recorded-mailbox.ts'

/** Returns the messages that an input requested again for its threads, in the order of the requests. */
export function contextIdsOf(lineage: Lineage, item: Envelope): ListedId[] {
  return idsBelow(lineage, missingIds.name, contextOf(item))
}

/**
 * Returns the threads that were pending at a release: those it emitted, and those it requested context for. Adds to `notAtHand` those whose
 * messages are no longer cached.
 */
export async function recordedPending(
  app: AppContext,
  { mailbox, items }: Batch<unknown>,
  { lineage, notAtHand, limit }: { lineage: Lineage; notAtHand: Set<string>; limit: number },
): Promise<PendingThread[]> {
  const [item] = items
  if (!item) return []
  const out = lineage.below(threads.name, item.id)
  const changes = out.map(({ body }) => body as ThreadChange)
  const cached = await readMessages(
    app,
    mailbox,
    changes.flatMap(({ ids }) => ids),
  )
  const pending: PendingThread[] = []
  // No message can arrive during a dry run.
  const nothing = { ids: [], fresh: [], omitted: [], seen: '', contextAsked: true, cameBack: true, known: true }
  for (const [
    index,
    { thread, ids, fresh, older, olderIds, omitted, reason, ownerWrote, waitsSince },
  ] of changes.entries()) {
    const state = {
      older,
      olderIds,
      omitted,
      ownerWrote,
      known: reason !== 'new',
      ...(waitsSince === undefined ? {} : { waitsSince }),
    }
    if (ids.every(id => cached.has(id))) pending.push({ ...nothing, thread, ids: ids.toReversed(), fresh, ...state })
    else notAtHand.add(out[index]?.id ?? '')
  }
  const lost = grouped(contextIdsOf(lineage, item), ({ thread }) => thread)
  for (const [thread, gone] of lost) {
    const ids = gone.map(({ id }) => id)
    pending.push({ ...nothing, thread, ids, contextAsked: false, cameBack: false, known: false })
  }
  // A release also counts threads that it dropped without output, because none of their messages was left.
  const silent = Math.max(0, (changes[0]?.part.of ?? 0) - pending.length + lost.size)
  pending.push(...Array.from({ length: silent }, (_, index) => ({ thread: `silent:${index}`, ...nothing })))
  return pending.slice(0, limit)
}
