import type { Account } from './account.ts'
import type { Logged, MessageChange } from './change-log.ts'
import { firstBehind } from './contents.ts'
import type { DeltaState } from './delta-token.ts'
import type { Entry, Folder } from './entry.ts'
import type { Filter } from './query.ts'

/** A message in a delta: its current state, its read flag alone, or its removal from the folder. */
export interface DeltaItem {
  entry: Entry
  /** The number of moves when it had this id. */
  moves: number
  what: 'whole' | 'read' | 'deleted' | 'changed'
}

/** A page of a delta: its items, and the start of the next page or else of the next round. */
export interface DeltaPage {
  items: readonly DeltaItem[]
  next: DeltaState | undefined
  round: DeltaState
}

interface Round {
  account: Account
  folder: Folder
  state: DeltaState
  filter: Filter
  size: number
}

// learn.microsoft.com/graph/delta-query-messages: the maximum that a filtered delta follows.
const MAX_FILTERED = 5000

/**
 * Returns a page of the first round: the folder's content, newest first. Later changes come in the next
 * round.
 */
export function firstRound({ account, folder, state, filter, size }: Round): DeltaPage {
  const all = account.messages.newestFirst(folder)
  const { count = 0 } = state.listed ?? {}
  const left = state.filter === undefined ? size : Math.min(size, MAX_FILTERED - count)
  const entries: Entry[] = []
  let at = state.listed ? firstBehind(all, state.listed) : 0
  for (; at < all.length && entries.length < left; at++) {
    const entry = all[at]
    if (entry && filter(entry)) entries.push(entry)
  }
  const { listed: _, empty: __, ...round } = state
  const last = entries.at(-1)
  const over = at >= all.length || left < size
  return {
    items: entries.map(entry => ({ entry, moves: entry.moves, what: 'whole' })),
    next:
      over || !last
        ? undefined
        : { ...round, listed: { receivedAtMs: last.receivedAtMs, index: last.index, count: count + entries.length } },
    round,
  }
}

/**
 * Returns a page of changes since the previous round, the longest unchanged first. A message appears once,
 * unless it changes again between two pages. With usual ids, a message moved out and back is gone under one
 * id and present under the other.
 */
export function laterRound(
  { account, folder, state, filter, size }: Round,
  { immutableIds, partialReads, untilMs }: { immutableIds: boolean; partialReads: boolean; untilMs: number },
): DeltaPage {
  const { since, after = since } = state
  const changes = account.changes.after(since).filter(({ atMs }) => atMs <= untilMs)
  const until = Math.max(since, changes.at(-1)?.sequence ?? since)
  const touched = new Map<string, { item: DeltaItem; sequence: number; reads: boolean }>()
  for (const change of changes) {
    if (!filter(change.entry)) continue
    for (const item of seenFrom(folder, change)) {
      const key = immutableIds ? `${change.entry.index}` : `${change.entry.index}/${item.moves}`
      const reads = item.what === 'read' && (touched.get(key)?.reads ?? true)
      touched.delete(key)
      touched.set(key, { item, sequence: change.sequence, reads })
    }
  }
  const rest = [...touched.values()].filter(({ sequence }) => sequence > after)
  const page = rest.slice(0, size)
  const items = page.map(({ item, reads }): DeltaItem => {
    if (item.what !== 'read' || (reads && partialReads)) return item
    return { ...item, what: 'whole' }
  })
  const last = page.at(-1)
  const { after: _, empty: __, ...kept } = state
  return {
    items,
    next: last && rest.length > page.length ? { ...kept, after: last.sequence } : undefined,
    round: { ...kept, since: until },
  }
}

/** Returns the items that a change means for one folder. */
function seenFrom(folder: Folder, { entry, kind, folder: from, to, moves }: Logged<MessageChange>): DeltaItem[] {
  if (kind === 'moved') {
    return [
      ...(from === folder ? [{ entry, moves, what: 'changed' as const }] : []),
      ...(to === folder ? [{ entry, moves: moves + 1, what: 'whole' as const }] : []),
    ]
  }
  if (from !== folder) return []
  if (kind === 'read' || kind === 'deleted') return [{ entry, moves, what: kind }]
  return [{ entry, moves, what: 'whole' }]
}
