import type { Redis } from 'ioredis'
import { type Alert, readAlerts } from '../alerts.ts'
import { CALL_KINDS, type CallKind } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import { FATES, type Fate } from '../streams.ts'
import { WITHHELD, type Withheld } from '../task/worth.ts'
import type { Keys, Partition } from './keys.ts'
import { RUN } from './schema.ts'

/** A run with its current counters; times are in ms since 1970. */
export interface RunRecord {
  run: string
  mailbox: string
  cause: string
  startedAt: number
  /** When every listed id had its fate. */
  mergedAt: number | undefined
  /** When its last thread was emitted. */
  endedAt: number | undefined
  failure: string | undefined
  /** The run that repeats its work, where it stalled and was healed. */
  healedBy: string | undefined
  listed: number
  fates: Record<Fate, number>
  /** Every listed id has exactly one fate; always true for an abandoned run. */
  addsUp: boolean
  /** Known messages that were requested again, because a changed thread needed them or they seemed to be gone. */
  context: number
  /** Known messages that a thread needed again before it could be emitted. */
  reread: number
  /** Reread messages that were no longer cached. */
  lost: number
  /** Known messages that turned out to be gone, or are filtered out from now on. */
  deleted: number
  threads: number
  tasks: number
  unchanged: number
  /** Threads that became no task, by reason. */
  withheld: Record<Withheld, number>
  /** Threads without a task because their entry could not be read or dispatched; they are among the dead letters. */
  givenUp: number
  /** Ended, and every thread was dispatched, unchanged, withheld or dead-lettered; or healed by another run. */
  settled: boolean
  /** When the last of its threads was dispatched or found unchanged. */
  settledAt: number | undefined
  calls: Record<CallKind, number>
  units: number
  /** The numbers of listing steps and of opened windows. */
  pages: number
  windows: number
  /** Messages that were requested, and those that failed for another reason than a rate limit. */
  asked: number
  failed: number
  /** How long it waited for rate limits until it ended, in ms; overlapping waits count once. */
  waitedMs: number
  /** The alerts from its end. */
  alerts: readonly Alert[]
}

/** Returns one run, or `undefined` when it is unknown or forgotten. */
export async function readRun(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  run: string,
): Promise<RunRecord | undefined> {
  const fields = await redis.hgetall(keys.run(partition, run))
  return Object.hasOwn(fields, RUN.startedAt) ? runRecord(run, fields) : undefined
}

/** Returns the runs that started since then (ms since 1970), oldest first. */
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

/** Returns the newest runs first, at most `limit`. */
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

/** Builds a run record from the fields of its hash. */
export function runRecord(run: string, fields: Record<string, string>): RunRecord {
  const text = (field: string) => ownOf(fields, field)
  const number = (field: string) => Number(text(field) ?? 0)
  const time = (field: string) => (Object.hasOwn(fields, field) ? number(field) : undefined)
  const fates = Object.fromEntries(FATES.map(fate => [fate, number(fate)])) as Record<Fate, number>
  const calls = Object.fromEntries(CALL_KINDS.map(kind => [kind, number(`${RUN.calls}${kind}`)])) as Record<
    CallKind,
    number
  >
  const endedAt = time(RUN.endedAt)
  return {
    run,
    mailbox: text(RUN.mailbox) ?? '',
    cause: text(RUN.cause) ?? '',
    startedAt: number(RUN.startedAt),
    mergedAt: time(RUN.mergedAt),
    endedAt,
    failure: text(RUN.failure),
    healedBy: text(RUN.healedBy),
    listed: number(RUN.listed),
    fates,
    addsUp:
      text(RUN.abandoned) !== undefined || FATES.reduce((sum, fate) => sum + fates[fate], 0) === number(RUN.listed),
    context: number(RUN.context),
    reread: number(RUN.reread),
    lost: number(RUN.lost),
    deleted: number(RUN.deleted),
    threads: number(RUN.threads),
    tasks: number(RUN.tasks),
    unchanged: number(RUN.unchanged),
    withheld: Object.fromEntries(WITHHELD.map(why => [why, number(why)])) as Record<Withheld, number>,
    givenUp: number(RUN.givenUp),
    settled: text(RUN.healedBy) !== undefined || (endedAt !== undefined && number(RUN.settled) >= number(RUN.threads)),
    settledAt: time(RUN.settledAt) ?? endedAt,
    calls,
    units: number(RUN.units),
    pages: number(RUN.pages),
    windows: number(RUN.opened),
    asked: number(RUN.asked),
    failed: number(RUN.failed),
    waitedMs: Math.max(
      0,
      number(RUN.waitedMs) - Math.max(0, number(RUN.waitedUntil) - (endedAt ?? Number.POSITIVE_INFINITY)),
    ),
    alerts: readAlerts(text(RUN.alerts)),
  }
}
