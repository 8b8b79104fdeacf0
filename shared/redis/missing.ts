import type { Redis } from 'ioredis'
import type { Listed } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import { ownWindow } from '../windows/deferred.ts'
import { isOfKnown } from '../windows/kinds.ts'
import type { Keys, Partition } from './keys.ts'
import { scanKeys } from './scan.ts'
import { LISTING, RUN, RUN_STATUS, WINDOW } from './schema.ts'

const MAX_WINDOWS = 1000
const MAX_IDS = 500

/** Returns what a run lacks to end, as phrases. */
export async function missingParts(redis: Redis, keys: Keys, partition: Partition, run: string): Promise<string[]> {
  const fields = await redis.hgetall(keys.run(partition, run))
  if (fields[RUN.startedAt] === undefined) return ['its record']
  const number = (field: string) => Number(ownOf(fields, field) ?? 0)
  const count = (many: number, what: string) => (many > 0 ? [`${many} ${what}`] : [])
  const unmerged = number(RUN.opened) - number(RUN.merged)
  const lacking = unmerged > 0 ? await lackingWindows(redis, keys, partition, { run, opened: number(RUN.opened) }) : []
  const waitingThreads = await redis.zcard(keys.runThreads(partition, run))
  return [
    ...(fields[RUN.listing] === LISTING.done ? [] : ['the listing is not finished']),
    ...lacking,
    ...count(unmerged - lacking.length, 'more windows not merged'),
    ...count(number(RUN.merged) - number(RUN.grouped), 'windows merged and not grouped'),
    ...count(number(RUN.deferred), 'messages deferred'),
    ...count(waitingThreads, 'threads not emitted'),
    ...count(number(RUN.threads) - number(RUN.settled), 'threads not dispatched'),
  ]
}

/**
 * Returns ids without a fate that an ended run had in windows of their own: redriven or deferred ids, which no page lists again. At most
 * 500; none for a run that is listed again as a whole.
 */
export async function idsInNoPage(redis: Redis, keys: Keys, partition: Partition, run: string): Promise<Listed[]> {
  const fields = [RUN.status, RUN.opened, RUN.merged, RUN.deferred]
  const [status, ...counts] = await redis.hmget(keys.run(partition, run), ...fields)
  const [opened = 0, merged = 0, deferred = 0] = counts.map(Number)
  if (status !== RUN_STATUS.done || (opened <= merged && deferred <= 0)) return []
  const ids = new Map<string, Listed>()
  const head = keys.window(partition, run, '')
  for await (const page of scanKeys(redis, `${head}*`)) {
    for (const name of page.map(key => key.slice(head.length)).filter(one => !isOfKnown(one))) {
      const fields = await redis.hgetall(keys.window(partition, run, name))
      const items = JSON.parse(fields[WINDOW.items] ?? '[]') as [string, string][]
      for (const [place, [id, thread]] of items.entries()) {
        if (ids.size < MAX_IDS && (await lacksFate(name, place, fields[place]))) ids.set(id, { id, thread })
      }
    }
  }
  return [...ids.values()]

  // A deferred item's own window knows more, unless it is lost.
  async function lacksFate(window: string, place: number, fate: string | undefined): Promise<boolean> {
    if (fate !== 'deferred') return fate === undefined && !/^\d+(\.\d+)?$/.test(window)
    return (await redis.hexists(keys.window(partition, run, ownWindow(window, place)), '0')) === 0
  }
}

// Only their messages know the names of context windows.
async function lackingWindows(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  { run, opened }: { run: string; opened: number },
): Promise<string[]> {
  const windows = Array.from({ length: Math.min(opened, MAX_WINDOWS) }, (_, index) => `${index + 1}`)
  const counts = await Promise.all(
    windows.map(window => redis.hmget(keys.window(partition, run, window), WINDOW.of, WINDOW.done)),
  )
  return windows.flatMap((window, place) => {
    const [of, done] = (counts[place] ?? []).map(Number)
    return of && of > (done ?? 0) ? [`window ${window} lacks ${of - (done ?? 0)} of ${of} fates`] : []
  })
}
