import { setTimeout as timeout } from 'node:timers/promises'
import { isConnectionError } from '../../shared/redis/connect.ts'
import { createHealing, type Healed } from '../../shared/redis/heal.ts'
import type { Partition } from '../../shared/redis/keys.ts'
import { createLease } from '../../shared/redis/lease.ts'
import { lookOver } from '../../shared/redis/look.ts'
import { reapPartition } from '../../shared/redis/reap.ts'
import { createRestoring, type Restored } from '../../shared/redis/restore.ts'
import { type HeldBack, trimPartition } from '../../shared/redis/trim.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'

/** Something else a keeper does in its rounds; it asks `isOurs` before each thing that two should not do. */
export type Duty = (isOurs: () => Promise<boolean>) => Promise<void>

/** A keeper at work, or ready to take over from the one that is. */
export interface Keeper {
  /** Finishes the script that is under way, and lets another keeper have the work at once; waits two seconds at most. */
  stop(): Promise<void>
}

export interface KeeperOptions {
  log: Log
  /** Aborted, it stops by itself. */
  signal?: AbortSignal
  /** How often it makes its round. */
  intervalMs?: number
  /** How long entries are kept for replay. */
  retentionMs?: number
  /** After how long a silence an empty consumer is removed. */
  idleMs?: number
  /** How long a run may stand still before it is healed; it is seen twice in any case. */
  healAfterMs?: number
  duties?: readonly Duty[]
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const INTERVALS_A_LEASE = 2
const LOOKS_A_BOUND = 100
const STOP_WITHIN_MS = 2000

/**
 * Keeps Redis in order: heals runs that stand still, trims streams, and removes dead consumers. Any number may run, one works: the
 * others try again every interval, and take over within three once it is gone. No error ends it; an outage is told once.
 */
export function startKeeper(app: AppContext, options: KeeperOptions): Keeper {
  const { redis, keys, now } = app
  const {
    log,
    intervalMs = MINUTE_MS,
    retentionMs = 3 * DAY_MS,
    idleMs = DAY_MS,
    healAfterMs = intervalMs / 2,
  } = options
  const { duties = [] } = options
  const stopping = new AbortController()
  const signal = options.signal ? AbortSignal.any([stopping.signal, options.signal]) : stopping.signal
  const lease = createLease(redis, app.keys.keeper)
  const healing = createHealing({ redis, keys, stages: STAGES, afterMs: healAfterMs, now, newRunId: app.newRunId })
  const restoring = createRestoring(app)
  const toldAt = new Map<string, number>()
  let atWork = false
  let askAgainAt = 0
  let reapAt = 0
  let failingSince: number | undefined
  const finished = loop()

  return {
    async stop() {
      stopping.abort()
      // A server that does not answer is not waited for: the lease runs out by itself.
      await Promise.race([finished, timeout(STOP_WITHIN_MS, undefined, { ref: false })])
    },
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      const errors = await round().catch(error => [error])
      if (!signal.aborted) tellOfOutage(errors[0])
      // It alone is no reason to keep a process up.
      await timeout(intervalMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
    await lease.giveBack().catch(() => undefined)
  }

  // What fails in one partition must not keep the others from theirs.
  async function round(): Promise<unknown[]> {
    const errors: unknown[] = []
    const reaps = now() >= reapAt
    askAgainAt = 0
    for (const job of [heal, trim, ...(reaps ? [reap] : [])]) {
      for (const partition of keys.partitions) {
        if (signal.aborted || !(await isOurs())) return errors
        await job(partition).catch(error => {
          if (isConnectionError(error)) throw error
          errors.push(error)
        })
      }
    }
    if (reaps) reapAt = now() + idleMs / LOOKS_A_BOUND
    for (const duty of duties) {
      await duty(async () => !signal.aborted && (await isOurs())).catch(error => {
        if (isConnectionError(error)) throw error
        errors.push(error)
      })
    }
    return errors
  }

  // Asked before each script, for a round may take longer than the lease; but not more often than it matters.
  async function isOurs(): Promise<boolean> {
    if (now() < askAgainAt) return true
    const ours = await lease.take(intervalMs * INTERVALS_A_LEASE).catch(error => {
      // A full Redis takes no lease. To trim twice does no harm, not to trim would.
      if (!/\bOOM\b/.test(String(error))) throw error
      return true
    })
    if (ours && !atWork) log.info('this keeper is at work')
    if (!ours && atWork) log.warn('another keeper has taken over')
    atWork = ours
    askAgainAt = ours ? now() + intervalMs / INTERVALS_A_LEASE : 0
    return ours
  }

  async function trim(partition: Partition): Promise<void> {
    const { removed, held } = await trimPartition(redis, keys, partition, { stages: STAGES, retentionMs, signal })
    if (removed > 0) log.debug({ partition, removed }, 'trimmed what every group is done with')
    for (const one of held) tellOfGroup(one)
  }

  function tellOfGroup({ stream, group, ageMs }: HeldBack): void {
    const name = `${stream} ${group}`
    if (now() - (toldAt.get(name) ?? Number.NEGATIVE_INFINITY) < DAY_MS) return
    toldAt.set(name, now())
    log.warn(
      { stream, group, hours: Math.floor(ageMs / HOUR_MS) },
      `a group keeps entries older than the retention from being trimmed; if nobody reads with it any more: XGROUP DESTROY ${name}`,
    )
  }

  async function reap(partition: Partition): Promise<void> {
    const removed = await reapPartition(redis, keys, partition, { stages: STAGES, idleMs })
    if (removed.length > 0) log.debug({ partition, removed: removed.length }, 'removed consumers that are gone')
  }

  async function heal(partition: Partition): Promise<void> {
    const sight = await lookOver(redis, keys, partition)
    for (const restored of await restoring.restore(partition, sight, signal)) tellOfRestored(restored)
    for (const healed of await healing.heal(partition, sight, signal)) tellOfHealed(healed)
  }

  function tellOfRestored({ what, mailbox, count }: Restored): void {
    log.warn({ what, count, ...(mailbox === undefined ? {} : { mailbox }) }, 'was missing in Redis; it was restored')
  }

  function tellOfHealed({ run, mailbox, missing, by, threads }: Healed): void {
    if (run === undefined) {
      log.warn({ mailbox, by, missing }, 'something was to be listed and nothing waited for it; a new run lists it')
    } else {
      log.warn(
        { run, mailbox, by, missing, threads },
        'a run stood still with nothing of it waiting anywhere; it was abandoned, and a new run does the rest',
      )
    }
  }

  function tellOfOutage(error: unknown): void {
    if (error === undefined) {
      if (failingSince !== undefined) log.info({ outageMs: now() - failingSince }, 'the keeper can do its work again')
      failingSince = undefined
    } else if (failingSince === undefined) {
      failingSince = now()
      log.warn({ error: String(error) }, 'the keeper cannot do all of its work; it goes on trying')
    }
  }
}
