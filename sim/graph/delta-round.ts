import type { Account } from './account.ts'
import type { Logged, MessageChange } from './change-log.ts'
import { firstBehind } from './contents.ts'
import type { DeltaState } from './delta-token.ts'
import type { Entry, Folder } from './entry.ts'
import type { Filter } from './query.ts'

/** A message in a delta: as it is now, with its read flag alone, or gone from the folder. */
export interface DeltaItem {
  entry: Entry
  /** How often it had been moved when it had the id that is meant. */
  moves: number
  what: 'whole' | 'read' | 'deleted' | 'changed'
}

/** A page of a delta: its items, and where the next page, or else the next round, begins. */
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

// learn.microsoft.com/graph/delta-query-messages: what a delta with a filter follows at most.
const MOST_FILTERED = 5000

/** A page of the first round: what is in the folder, newest first; what changes meanwhile comes with the next round. */
export function firstRound({ account, folder, state, filter, size }: Round): DeltaPage {
  const all = account.messages.newestFirst(folder)
  const { count = 0 } = state.listed ?? {}
  const left = state.filter === undefined ? size : Math.min(size, MOST_FILTERED - count)
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
 * A page of what changed since the round before, the longest unchanged first. A message comes once, unless it is changed again between
 * two pages. By usual ids, what was moved out and back is gone under the one id and there under the other.
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

/** What a change is to those who look at one folder. */
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
