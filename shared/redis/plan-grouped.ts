import type { WindowGroupedFact } from '../fact.ts'
import { verifiedPage } from '../windows/kinds.ts'
import { digestOf } from './known.ts'
import { THREAD } from './schema.ts'

/** A window's changes to a thread: new ids with their digests and dates, and removed ids with their message key and digest. */
interface Grouped {
  id: string
  key: number
  fresh: string[]
  digests: Record<string, string>
  dates: Record<string, string>
  gone: [string, number, string][]
}

/** Returns the places of thread and message keys in a plan. */
interface Places {
  thread(id: string): number
  message(id: string): number
}

/** Describes a grouped window and its changes to threads in the form that `windows.lua` reads. */
export function groupedAs({ window, context, items, fresh, gone }: WindowGroupedFact, places: Places) {
  return {
    context,
    items: items.map(({ id, thread, fate }) => [id, thread, fate]),
    verified: verifiedPage(window),
    threads: threadsIn({ fresh, gone }, places),
  }
}

function threadsIn({ fresh, gone }: Pick<WindowGroupedFact, 'fresh' | 'gone'>, places: Places): Grouped[] {
  const grouped = new Map<string, Gathered>()
  const entry = (id: string) => {
    const known = grouped.get(id) ?? gathered(id, places.thread(id))
    grouped.set(id, known)
    return known
  }
  for (const { id, thread, date, isOwn } of fresh) {
    entry(thread).fresh.push(id)
    if (date !== undefined) entry(thread).dates.set(id, `${date}${isOwn ? THREAD.own : ''}`)
    entry(thread).digests.set(id, digestOf(id))
  }
  for (const { id, thread } of gone) entry(thread).gone.push([id, places.message(id), digestOf(id)])
  return [...grouped.values()].map(({ digests, dates, ...rest }) => ({
    ...rest,
    digests: Object.fromEntries(digests),
    dates: Object.fromEntries(dates),
  }))
}

// Ids come from outside; as object keys they could be `__proto__`.
type Gathered = Omit<Grouped, 'digests' | 'dates'> & Record<'digests' | 'dates', Map<string, string>>

function gathered(id: string, key: number): Gathered {
  return { id, key, fresh: [], digests: new Map(), dates: new Map(), gone: [] }
}
