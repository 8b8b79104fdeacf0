import type { Redis } from 'ioredis'
import { type Alert, readAlerts } from '../alerts.ts'
import { CALL_KINDS, type CallKind } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import { FATES, type Fate } from '../streams.ts'
import type { Keys, Partition } from './keys.ts'

/** A run with its counters, as far as it has come; times are in ms since 1970. */
export interface RunRecord {
  run: string
  mailbox: string
  cause: string
  startedAt: number
  /** When every listed id had its fate. */
  mergedAt: number | undefined
  /** When its last thread had gone out. */
  endedAt: number | undefined
  failure: string | undefined
  /** The run that does its work again, where it stood still and was healed. */
  healedBy: string | undefined
  listed: number
  fates: Record<Fate, number>
  /** Every listed id has exactly one fate; of a run that was abandoned that is not asked. */
  addsUp: boolean
  /** Known messages asked for again, because a thread that changed needed them or because they seemed to be gone. */
  context: number
  /** Known messages that a thread needed again to go out. */
  reread: number
  /** Those of them that the cache had lost. */
  lost: number
  /** Known messages that were found to be gone, or to be left out from now on. */
  deleted: number
  threads: number
  tasks: number
  unchanged: number
  /** Threads of which no task came, because what told of them could not be read or dispatched; dead letters have them. */
  givenUp: number
  /** Ended, and every thread was dispatched, found unchanged or given up; or healed by another run. */
  settled: boolean
  /** When the last of its threads was dispatched or found unchanged. */
  settledAt: number | undefined
  calls: Record<CallKind, number>
  units: number
  /** Listing steps, and windows that were opened. */
  pages: number
  windows: number
  /** Messages that were asked for, and those that failed for another reason than a rate limit. */
  asked: number
  failed: number
  /** For how long it waited for rate limits until it ended, in ms; waits at one time count once. */
  waitedMs: number
  /** What was found of it when it ended. */
  alerts: readonly Alert[]
}

/** One run, or `undefined` when it is unknown or forgotten. */
export async function readRun(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  run: string,
): Promise<RunRecord | undefined> {
  const fields = await redis.hgetall(keys.run(partition, run))
  return fields.startedAt === undefined ? undefined : runRecord(run, fields)
}

/** The runs that were started since then (ms since 1970), oldest first. */
export async function listRunsSince(redis: Redis, keys: Keys, since: number): Promise<RunRecord[]> {
  const found = await Promise.all(
    keys.partitions.map(async partition => {
      const runs = await redis.zrangebyscore(keys.runs(partition), since, '+inf')
      return Promise.all(runs.map(run => readRun(redis, keys, partition, run)))
    }),
  )
  return found
    .flat()
    .filter(run => run !== undefined)
    .sort((a, b) => a.startedAt - b.startedAt)
}

/** The newest runs first, at most `limit`. */
export async function listRuns(redis: Redis, keys: Keys, limit: number): Promise<RunRecord[]> {
  const found = await Promise.all(
    keys.partitions.map(async partition => {
      const runs = await redis.zrevrange(keys.runs(partition), 0, limit - 1)
      return Promise.all(runs.map(run => readRun(redis, keys, partition, run)))
    }),
  )
  return found
    .flat()
    .filter(run => run !== undefined)
    .sort((a, b) => b.startedAt - a.startedAt)
    .slice(0, limit)
}

/** A run from the fields of its hash. */
export function runRecord(run: string, fields: Record<string, string>): RunRecord {
  const number = (field: string) => Number(ownOf(fields, field) ?? 0)
  const time = (field: string) => (Object.hasOwn(fields, field) ? number(field) : undefined)
  const fates = Object.fromEntries(FATES.map(fate => [fate, number(fate)])) as Record<Fate, number>
  const calls = Object.fromEntries(CALL_KINDS.map(kind => [kind, number(`calls:${kind}`)])) as Record<CallKind, number>
  const endedAt = time('endedAt')
  return {
    run,
    mailbox: fields.mailbox ?? '',
    cause: fields.cause ?? '',
    startedAt: number('startedAt'),
    mergedAt: time('mergedAt'),
    endedAt,
    failure: fields.failure,
    healedBy: fields.healedBy,
    listed: number('listed'),
    fates,
    addsUp: fields.abandoned !== undefined || FATES.reduce((sum, fate) => sum + fates[fate], 0) === number('listed'),
    context: number('context'),
    reread: number('reread'),
    lost: number('lost'),
    deleted: number('deleted'),
    threads: number('threads'),
    tasks: number('tasks'),
    unchanged: number('unchanged'),
    givenUp: number('givenUp'),
    settled: fields.healedBy !== undefined || (endedAt !== undefined && number('settled') >= number('threads')),
    settledAt: time('settledAt') ?? endedAt,
    calls,
    units: number('units'),
    pages: number('pages'),
    windows: number('opened'),
    asked: number('asked'),
    failed: number('failed'),
    waitedMs: Math.max(
      0,
      number('waitedMs') - Math.max(0, number('waitedUntil') - (endedAt ?? Number.POSITIVE_INFINITY)),
    ),
    alerts: readAlerts(fields.alerts),
  }
}
