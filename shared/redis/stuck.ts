import type { Redis } from 'ioredis'
import { LANES } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Keys, Partition } from './keys.ts'
import { runRecord } from './runs.ts'
import type { Reading } from './trim.ts'

/** A run that stands still though nothing of it waits or is in work anywhere. */
export interface StuckRun {
  run: string
  mailbox: MailboxId
  /** For how long nothing of it has changed. */
  standsMs: number
  /** What it lacks to come to its end, as phrases. */
  missing: readonly string[]
}

/** Watches runs for standing still. It remembers what it saw: a run must be seen twice, `stuckMs` apart, to count; once settled it never does. */
export interface StuckWatch {
  /** The runs of a partition that were found stuck by this look, each once until it moves again. Changes nothing. */
  look(partition: Partition, signal?: AbortSignal): Promise<StuckRun[]>
}

interface WatchOptions {
  redis: Redis
  keys: Keys
  /** All stages, in flow order. */
  stages: readonly Reading[]
  stuckMs: number
  now: () => number
}

interface Sight {
  run: string
  fields: Record<string, string>
  since: number
  told: boolean
}

const PAGE = 500
// A run that stands still while this many entries wait in one place is behind them.
const MOST_TO_LOOK_THROUGH = 10_000
const MOST_WINDOWS = 1000

/** A watch that has seen nothing yet. */
export function createStuckWatch(options: WatchOptions): StuckWatch {
  const { redis, keys, stuckMs, now } = options
  const memory = new Map<Partition, { settled: ReadonlySet<string>; sights: ReadonlyMap<string, Sight> }>()

  return {
    async look(partition, signal) {
      const sights = await lookAt(partition)
      const suspects = sights.filter(({ since, told }) => !told && now() - since >= stuckMs)
      // Looked for twice: work may have moved on between two questions.
      const idle = await withoutWork(partition, await withoutWork(partition, suspects, signal), signal)
      const still = await Promise.all(idle.map(sight => standsStill(partition, sight)))
      const stuck = idle.filter((_, place) => still[place])
      if (signal?.aborted) return []
      for (const sight of stuck) sight.told = true
      return Promise.all(
        stuck.map(async ({ run, fields, since }) => ({
          run,
          mailbox: fields.mailbox as MailboxId,
          standsMs: now() - since,
          missing: await whatIsMissing(partition, run, fields),
        })),
      )
    },
  }

  async function lookAt(partition: Partition): Promise<Sight[]> {
    const before = memory.get(partition)
    const runs = await redis.zrange(keys.runs(partition), '0', '-1')
    const open = runs.filter(run => !before?.settled.has(run))
    const read = await Promise.all(open.map(run => redis.hgetall(keys.run(partition, run))))
    const sights = open.flatMap((run, place): Sight[] => {
      const fields = read[place] ?? {}
      if (fields.startedAt === undefined || runRecord(run, fields).settled) return []
      const known = before?.sights.get(run)
      return [known && same(known.fields, fields) ? known : { run, fields, since: now(), told: false }]
    })
    const unsettled = new Map(sights.map(sight => [sight.run, sight]))
    memory.set(partition, { settled: new Set(runs.filter(run => !unsettled.has(run))), sights: unsettled })
    return sights
  }

  async function standsStill(partition: Partition, { run, fields }: Sight): Promise<boolean> {
    return same(fields, await redis.hgetall(keys.run(partition, run)))
  }

  async function withoutWork(
    partition: Partition,
    suspects: readonly Sight[],
    signal: AbortSignal | undefined,
  ): Promise<Sight[]> {
    let left = [...suspects]
    const parked = await Promise.all(left.map(({ fields }) => redis.llen(keys.parked(fields.mailbox as MailboxId))))
    left = left.filter((_, place) => parked[place] === 0)
    for (const { name, reads } of options.stages) {
      const places = [
        ...reads.flatMap(stream => LANES.map(lane => waiting(keys.stream(partition, stream.name, lane), name))),
        delayed(keys.delay(partition, name)),
      ]
      for (const texts of places) {
        if (left.length === 0 || signal?.aborted) return []
        let seen = 0
        for await (const page of texts) {
          left = left.filter(({ run }) => !page.some(text => text.includes(`"run":${JSON.stringify(run)}`)))
          seen += page.length
          if (seen >= MOST_TO_LOOK_THROUGH) return []
          if (left.length === 0) break
        }
      }
    }
    return left
  }

  // First what nobody has read yet, then what somebody has and did not finish.
  async function* waiting(key: string, group: string): AsyncGenerator<string[]> {
    const groups = (await redis.xinfo('GROUPS', key).catch(noneWithoutKey)) as unknown[][]
    const own = groups.find(fields => fields[1] === group)
    let after = own ? String(own[own.indexOf('last-delivered-id') + 1]) : '0-0'
    for (;;) {
      const entries = await redis.xrange(key, `(${after}`, '+', 'COUNT', PAGE)
      after = entries.at(-1)?.[0] ?? after
      if (entries.length > 0) yield entries.map(([, fields]) => fields.join(' '))
      if (entries.length < PAGE) break
    }
    for (let from = '-'; own; ) {
      const pending = (await redis.xpending(key, group, from, '+', PAGE)) as [string, ...unknown[]][]
      const found = await Promise.all(pending.map(([id]) => redis.xrange(key, id, id)))
      if (pending.length > 0) yield found.map(([entry]) => entry?.[1].join(' ') ?? '')
      if (pending.length < PAGE) break
      from = `(${pending.at(-1)?.[0]}`
    }
  }

  async function* delayed(key: string): AsyncGenerator<string[]> {
    for (let from = 0; ; from += PAGE) {
      const members = await redis.zrange(key, `${from}`, `${from + PAGE - 1}`)
      if (members.length > 0) yield members
      if (members.length < PAGE) break
    }
  }

  async function whatIsMissing(partition: Partition, run: string, fields: Record<string, string>): Promise<string[]> {
    const number = (field: string) => Number(fields[field] ?? 0)
    const count = (many: number, what: string) => (many > 0 ? [`${many} ${what}`] : [])
    const unmerged = number('opened') - number('merged')
    const lacking = unmerged > 0 ? await lackingWindows(partition, run, number('opened')) : []
    const waitingThreads = await redis.zcard(keys.runThreads(partition, run))
    return [
      ...(fields.listing === 'done' ? [] : ['the listing has not come to its end']),
      ...lacking,
      ...count(unmerged - lacking.length, 'more windows not merged'),
      ...count(number('merged') - number('grouped'), 'windows merged and not grouped'),
      ...count(waitingThreads, 'threads not let go'),
      ...count(number('threads') - number('settled'), 'threads not dispatched'),
    ]
  }

  // Context windows have names that only their messages know.
  async function lackingWindows(partition: Partition, run: string, opened: number): Promise<string[]> {
    const windows = Array.from({ length: Math.min(opened, MOST_WINDOWS) }, (_, index) => `${index + 1}`)
    const counts = await Promise.all(
      windows.map(window => redis.hmget(keys.window(partition, run, window), 'of', 'done')),
    )
    return windows.flatMap((window, place) => {
      const [of, done] = (counts[place] ?? []).map(Number)
      return of && of > (done ?? 0) ? [`window ${window} lacks ${of - (done ?? 0)} of ${of} fates`] : []
    })
  }
}

function same(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => a[name] === b[name])
}

function noneWithoutKey(error: Error): [] {
  if (!/no such key/.test(error.message)) throw error
  return []
}
