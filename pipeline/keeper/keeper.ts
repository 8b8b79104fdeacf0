import { isConnectionError } from '../../shared/redis/connect.ts'
import { createHealing, type Healed } from '../../shared/redis/heal.ts'
import { inspectPartition } from '../../shared/redis/inspect.ts'
import type { Partition } from '../../shared/redis/keys.ts'
import { createLease } from '../../shared/redis/lease.ts'
import { reapPartition } from '../../shared/redis/reap.ts'
import { createRestoring, type Restored } from '../../shared/redis/restore.ts'
import { type HeldBack, trimPartition } from '../../shared/redis/trim.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { READERS, STAGES } from '../base/stages.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../base/times.ts'
import { sleepUnref, within } from '../base/wait.ts'
import { taskLimits } from '../runtime/task-room.ts'

/** A job in each keeper round; calls `isOurs` before each step that two keepers must not both do. */
export type Duty = (isOurs: () => Promise<boolean>) => Promise<void>

/** A running keeper, active or on standby. */
export interface Keeper {
  /** Finishes the current script and releases the lease, so that another keeper takes over at once; waits two seconds at most. */
  stop(): Promise<void>
}

export interface KeeperOptions {
  log: Log
  /** Stops the keeper when it aborts. */
  signal?: AbortSignal
  /** The interval between rounds, in ms. */
  intervalMs?: number
  /** How long entries are kept for replay, in ms. */
  retentionMs?: number
  /** How long a consumer without pending entries may be idle before it is removed, in ms. */
  idleMs?: number
  /** How long a run may be stalled before it is healed, in ms; two rounds must see it stalled in any case. */
  healAfterMs?: number
  duties?: readonly Duty[]
}

const INTERVALS_PER_LEASE = 2
const REAPS_PER_IDLE = 100
const STOP_WITHIN_MS = 2000

/**
 * Maintains Redis: heals stalled runs, trims streams and removes dead consumers. Any number of keepers may run, and one is active. The
 * others retry every interval, and one takes over within three intervals of its death. No error ends a keeper; an outage is logged once.
 */
export function startKeeper(app: AppContext, options: KeeperOptions): Keeper {
  const { redis, keys, now } = app
  const { machine } = app.surroundings
  const {
    log,
    intervalMs = MINUTE_MS,
    retentionMs = 3 * DAY_MS,
    idleMs = DAY_MS,
    healAfterMs = intervalMs / 2,
  } = options
  const { taskRetentionMs } = taskLimits(app)
  const { duties = [] } = options
  const stopping = new AbortController()
  const signal = options.signal ? AbortSignal.any([stopping.signal, options.signal]) : stopping.signal
  const lease = createLease(redis, app.keys.keeper, machine)
  const healing = createHealing({ redis, keys, stages: STAGES, afterMs: healAfterMs, now, newRunId: app.newRunId })
  const restoring = createRestoring(app)
  const warnedAt = new Map<string, number>()
  let isActive = false
  let askAgainAt = 0
  let reapAt = 0
  let failingSince: number | undefined
  const finished = loop()

  return {
    async stop() {
      stopping.abort()
      // Do not wait for a Redis that does not answer: the lease expires anyway.
      await within(finished, STOP_WITHIN_MS, machine)
    },
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      const errors = await round().catch(error => [error])
      if (!signal.aborted) logOutage(errors[0])
      // The keeper alone does not keep the process alive.
      await sleepUnref(intervalMs, signal, machine)
    }
    await lease.giveBack().catch(() => undefined)
  }

  // A failure in one partition must not block the others.
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
    if (reaps) reapAt = now() + idleMs / REAPS_PER_IDLE
    for (const duty of duties) {
      await duty(async () => !signal.aborted && (await isOurs())).catch(error => {
        if (isConnectionError(error)) throw error
        errors.push(error)
      })
    }
    return errors
  }

  // A round may outlast the lease, so each script checks it; the cached answer saves most of these calls.
  async function isOurs(): Promise<boolean> {
    if (now() < askAgainAt) return true
    const ours = await lease.take(intervalMs * INTERVALS_PER_LEASE).catch(error => {
      // A full Redis refuses the lease. Trimming twice is harmless; not trimming would keep Redis full.
      if (!/\bOOM\b/.test(String(error))) throw error
      return true
    })
    if (ours && !isActive) log.info('this keeper is active')
    if (!ours && isActive) log.warn('another keeper has taken over')
    isActive = ours
    askAgainAt = ours ? now() + intervalMs / INTERVALS_PER_LEASE : 0
    return ours
  }

  async function trim(partition: Partition): Promise<void> {
    const { removed, held } = await trimPartition(redis, keys, partition, {
      stages: READERS,
      retentionMs,
      unreadMs: taskRetentionMs,
      signal,
    })
    if (removed > 0) log.debug({ partition, removed }, 'trimmed entries that every group has processed')
    for (const one of held) warnOfGroup(one)
  }

  function warnOfGroup({ stream, group, ageMs }: HeldBack): void {
    const name = `${stream} ${group}`
    if (now() - (warnedAt.get(name) ?? Number.NEGATIVE_INFINITY) < DAY_MS) return
    warnedAt.set(name, now())
    log.warn(
      { stream, group, hours: Math.floor(ageMs / HOUR_MS) },
      `a consumer group blocks trimming of entries older than the retention; if it is unused, run XGROUP DESTROY ${name}`,
    )
  }

  async function reap(partition: Partition): Promise<void> {
    const removed = await reapPartition(redis, keys, partition, { stages: READERS, idleMs })
    if (removed.length > 0) log.debug({ partition, removed: removed.length }, 'removed dead consumers')
  }

  async function heal(partition: Partition): Promise<void> {
    const overview = await inspectPartition(redis, keys, partition)
    for (const restored of await restoring.restore(partition, overview, signal)) logRestored(restored)
    for (const healed of await healing.heal(partition, overview, signal)) logHealed(healed)
  }

  function logRestored({ what, mailbox, count }: Restored): void {
    log.warn({ what, count, ...(mailbox === undefined ? {} : { mailbox }) }, 'state was missing in Redis; restored it')
  }

  function logHealed({ run, mailbox, missing, by, threads }: Healed): void {
    if (run === undefined) {
      log.warn({ mailbox, by, missing }, 'a pending sync had lost its event; started a new run')
    } else {
      log.warn(
        { run, mailbox, by, missing, threads },
        'a run was stalled and its work was lost; abandoned it and started a new run',
      )
    }
  }

  function logOutage(error: unknown): void {
    if (error === undefined) {
      if (failingSince !== undefined) log.info({ outageMs: now() - failingSince }, 'keeper works again')
      failingSince = undefined
    } else if (failingSince === undefined) {
      failingSince = now()
      log.warn({ error: String(error) }, 'keeper round failed; retrying every round')
    }
  }
}
