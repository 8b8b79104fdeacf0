import type { Redis } from 'ioredis'
import { type Observable, Subject } from 'rxjs'
import { LANES } from '../../shared/envelope.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { isConnectionError } from '../../shared/redis/connect.ts'
import type { Pending, Queue, RawEntry } from '../../shared/redis/queue.ts'
import type { Log } from '../base/log.ts'
import { sleep } from '../base/wait.ts'
import { type Credit, nameOf } from './credit.ts'
import { promoteInTime } from './promote.ts'
import { createStreamChoice } from './stream-choice.ts'

/** Reads a stage's streams within its credit; each entry counts until `done`. */
export interface Reader {
  entries: Observable<RawEntry>
  /** Frees the credit of entries that are committed or that another consumer has. */
  done(entries: readonly RawEntry[]): void
  /** Notes when delayed work is due (ms since 1970). */
  expect(dueAt: number): void
  /** Stops reading and completes `entries`. */
  stop(): void
}

interface ReaderOptions {
  queue: Queue
  /** A separate connection, not yet connected: a blocking read blocks every other command on it. */
  connection: Redis
  credit: Credit
  leaseMs: number
  isDead: (consumer: string) => boolean
  now: () => number
  machine?: Pick<Machine, 'after'>
  log: Log
}

const LONGEST_BLOCK_MS = 30_000
const WATCHDOG_SLACK_MS = 2000
const CONNECT_MS = 5000
// A blocked read that ends this much early was woken, because a consumer handed work back.
const WOKEN_SLACK_MS = 50
// A busy reader misses dead consumers, so it reclaims again this long after the last time, before a long block.
const RECLAIM_AGAIN_MS = 1000
// A lane without credit is not read. Entries read ahead last longer than this, so the lane never runs dry.
const LANE_AGAIN_MS = 20
const AFTER_ERROR_MS = 200
const LONGEST_AFTER_ERROR_MS = 2000

/** Starts a reader. */
export function startReader(options: ReaderOptions): Reader {
  const { queue, connection, credit, leaseMs, now, machine = MACHINE, log } = options
  const out = new Subject<RawEntry>()
  const stopping = new AbortController()
  const choice = createStreamChoice(queue, credit)
  // Streams whose own pending entries must be read again, and the id to continue after.
  const ownFrom = new Map<string, string>()
  let mustBegin = true
  let reclaimAt = 0
  let reclaimedAt = 0
  // Entries done since the request for pending entries; the answer may still contain them.
  let doneSince: Set<string> | undefined
  const delays = promoteInTime({ queue, now, machine, stopping: stopping.signal })
  connection.on('ready', () => {
    mustBegin = true
  })
  // The first entry must find its subscriber.
  setImmediate(() => void loop())

  return {
    entries: out.asObservable(),
    done(entries) {
      for (const entry of entries) doneSince?.add(nameOf(entry))
      credit.free(entries)
    },
    expect: delays.expect,
    stop() {
      stopping.abort()
      connection.disconnect()
      credit.free([])
    },
  }

  async function loop(): Promise<void> {
    let outage: { since: number; pauseMs: number; reported: Set<string> } | undefined
    while (!stopping.signal.aborted) {
      try {
        await readOnce()
        if (outage) log.info({ outageMs: now() - outage.since }, 'Redis available again; reading')
        outage = undefined
      } catch (error) {
        if (stopping.signal.aborted) break
        mustBegin = true
        outage ??= { since: now(), pauseMs: AFTER_ERROR_MS, reported: new Set() }
        logOutage(error, outage.reported)
        await sleep(outage.pauseMs, stopping.signal, machine)
        outage.pauseMs = Math.min(LONGEST_AFTER_ERROR_MS, outage.pauseMs * 2)
      }
    }
    out.complete()
  }

  // Each error is logged once an outage, however many attempts fail.
  function logOutage(error: unknown, reported: Set<string>): void {
    const isDown = isConnectionError(error)
    const what = isDown ? 'down' : String(error)
    if (reported.has(what) || isGroupGone(error)) return
    reported.add(what)
    if (isDown) log.warn({ error: String(error) }, 'Redis unavailable; retrying')
    else log.error({ error: String(error) }, 'read failed; retrying')
  }

  async function readOnce(): Promise<void> {
    if (mustBegin) await begin()
    await credit.untilRoom()
    if (stopping.signal.aborted) return
    await delays.promoteIfDue()
    await readOwn()
    // Reclaimed entries have used up credit.
    if (now() >= reclaimAt && (await reclaim())) return
    // Own entries may have used up all credit, so that no lane can be read.
    if (LANES.every(lane => credit.room(lane) === 0)) return
    const entries = await readNew()
    for (const entry of entries) emit(entry)
    if (entries.length > 0) reclaimAt = Math.min(reclaimAt, reclaimedAt + RECLAIM_AGAIN_MS)
  }

  /** Runs after every (re)connection and failed read; entries of a lost answer are among this consumer's pending ones. */
  async function begin(): Promise<void> {
    if (connection.status === 'wait' || connection.status === 'end') await watched(connection.connect(), CONNECT_MS)
    await watched(queue.announce(connection), CONNECT_MS)
    const restored = await queue.createGroups()
    if (restored.length > 0) log.warn({ restored }, 'consumer groups were missing; recreated at the last checkpoint')
    await queue.inherit(options.isDead)
    choice.reset()
    for (const key of queue.keys) ownFrom.set(key, '0')
    mustBegin = false
  }

  async function readNew(): Promise<RawEntry[]> {
    const busy = choice.next()
    if (busy) return choice.note(busy, await watched(queue.read(connection, busy.keys, busy.count, undefined), 0))
    const all = choice.all()
    const begunAt = now()
    const laneIsFull = LANES.some(lane => credit.room(lane) === 0)
    const longest = laneIsFull || ownFrom.size > 0 ? LANE_AGAIN_MS : LONGEST_BLOCK_MS
    const blockMs = Math.max(1, Math.min(longest, delays.nextAt() - begunAt, reclaimAt - begunAt))
    const entries = await watched(queue.read(connection, all.keys, all.count, blockMs), blockMs)
    if (entries.length === 0 && now() - begunAt < blockMs - WOKEN_SLACK_MS) reclaimAt = 0
    return choice.note(all, entries)
  }

  // A silently dead connection never answers, so it is replaced.
  function watched<T>(answer: Promise<T>, expectedMs: number): Promise<T> {
    const watchdog = machine.after(expectedMs + WATCHDOG_SLACK_MS, () => connection.disconnect(true))
    return answer.finally(watchdog.cancel)
  }

  // A lane without room must not block the other lane.
  async function readOwn(): Promise<void> {
    for (const [key, after] of ownFrom) {
      for (let from = after; ownFrom.has(key) && !stopping.signal.aborted; ) {
        const room = credit.room(queue.laneOf(key))
        if (room === 0) break
        const { next } = await pending(() => queue.readOwn(key, from, room))
        if (next === undefined) ownFrom.delete(key)
        else ownFrom.set(key, next)
        from = next ?? from
      }
    }
  }

  /** Returns whether anything was taken over. */
  async function reclaim(): Promise<boolean> {
    const roomy = LANES.filter(lane => credit.room(lane) > 0)
    if (roomy.length === 0) return false
    const room = Math.min(...roomy.map(credit.room))
    const { entries, more, holders } = await pending(() => queue.reclaim(leaseMs, room, roomy))
    reclaimedAt = now()
    reclaimAt = reclaimedAt + (more ? LANE_AGAIN_MS : leaseMs)
    const dead = holders.filter(({ consumer }) => options.isDead(consumer))
    for (const holder of dead) {
      const left = await queue.inheritFrom(holder)
      if (left > 0) log.info({ entries: left }, 'took over entries of a dead process')
      ownFrom.set(holder.key, '0')
    }
    if (entries.length > 0) log.info({ entries: entries.length }, 'took over entries of another consumer')
    return entries.length + dead.length > 0
  }

  async function pending<T extends Pending>(look: () => Promise<T>): Promise<T> {
    const done = new Set<string>()
    doneSince = done
    const found = await look().finally(() => {
      doneSince = undefined
    })
    for (const entry of found.entries) if (!done.has(nameOf(entry))) emit(entry)
    if (found.lost > 0) log.error({ lost: found.lost }, 'entries were trimmed before they were processed')
    return found
  }

  function emit(entry: RawEntry): void {
    if (credit.take(entry)) out.next(entry)
  }
}

function isGroupGone(error: unknown): boolean {
  return /NOGROUP|UNBLOCKED/.test(String(error))
}
