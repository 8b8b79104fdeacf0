import type { Redis } from 'ioredis'
import { type Observable, Subject } from 'rxjs'
import { LANES } from '../../shared/envelope.ts'
import { isConnectionError } from '../../shared/redis/connect.ts'
import type { Pending, Queue, RawEntry } from '../../shared/redis/queue.ts'
import type { Log } from '../base/log.ts'
import { sleep } from '../base/wait.ts'
import { type Credit, nameOf } from './credit.ts'
import { promoteInTime } from './promote.ts'
import { createStreamChoice } from './stream-choice.ts'

/** Reads a stage's streams on credit: never more entries are out than fit, and each stays counted until `done`. */
export interface Reader {
  entries: Observable<RawEntry>
  /** These entries are committed, or another has them: their credit is free again. */
  done(entries: readonly RawEntry[]): void
  /** Delayed work comes due then (ms since 1970). */
  expect(dueAt: number): void
  /** Reads no more; `entries` completes. */
  stop(): void
}

interface ReaderOptions {
  queue: Queue
  /** A connection of the reader's own, not yet connected: a blocking read holds up all else on it. */
  connection: Redis
  credit: Credit
  leaseMs: number
  isDead: (consumer: string) => boolean
  now: () => number
  log: Log
}

const LONGEST_BLOCK_MS = 30_000
const WATCHDOG_SLACK_MS = 2000
const CONNECT_MS = 5000
// A blocked read that ends so much before its time was woken: somebody has left work behind.
const WOKEN_SLACK_MS = 50
// A reader that was busy has not noticed who left: so long after the last look it looks again, before it blocks for long.
const LOOK_AGAIN_MS = 1000
// A lane without credit is not read. Soon it has credit again, and what is read ahead in it lasts for longer than this.
const LANE_AGAIN_MS = 20
const AFTER_ERROR_MS = 200
const LONGEST_AFTER_ERROR_MS = 2000

/** Starts reading at once. */
export function startReader(options: ReaderOptions): Reader {
  const { queue, connection, credit, leaseMs, now, log } = options
  const out = new Subject<RawEntry>()
  const stopping = new AbortController()
  const choice = createStreamChoice(queue, credit)
  // Streams in which entries of ours are to be read again, and after which id.
  const ownFrom = new Map<string, string>()
  let fresh = true
  let reclaimAt = 0
  let reclaimedAt = 0
  // What was done since Redis was asked for pending entries: its answer may still hold it.
  let doneSince: Set<string> | undefined
  const delays = promoteInTime({ queue, now, stopping: stopping.signal })
  connection.on('ready', () => {
    fresh = true
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
        if (outage) log.info({ outageMs: now() - outage.since }, 'reading again')
        outage = undefined
      } catch (error) {
        if (stopping.signal.aborted) break
        fresh = true
        outage ??= { since: now(), pauseMs: AFTER_ERROR_MS, reported: new Set() }
        complain(error, outage.reported)
        await sleep(outage.pauseMs, stopping.signal)
        outage.pauseMs = Math.min(LONGEST_AFTER_ERROR_MS, outage.pauseMs * 2)
      }
    }
    out.complete()
  }

  // Once an outage, whatever the number of attempts.
  function complain(error: unknown, reported: Set<string>): void {
    const away = isConnectionError(error)
    const what = away ? 'away' : String(error)
    if (reported.has(what) || isGroupGone(error)) return
    reported.add(what)
    if (away) log.warn({ error: String(error) }, 'Redis does not answer; waiting for it')
    else log.error({ error: String(error) }, 'cannot read; trying again')
  }

  async function readOnce(): Promise<void> {
    if (fresh) await begin()
    await credit.untilRoom()
    if (stopping.signal.aborted) return
    await delays.promoteIfDue()
    await readOwn()
    // What was taken over has used up credit.
    if (now() >= reclaimAt && (await reclaim())) return
    // Own entries may have used up all credit, and what was freed may not be enough for room: then no lane is left to read.
    if (LANES.every(lane => credit.room(lane) === 0)) return
    const entries = await readNew()
    for (const entry of entries) emit(entry)
    if (entries.length > 0) reclaimAt = Math.min(reclaimAt, reclaimedAt + LOOK_AGAIN_MS)
  }

  /** After every (re)connection, and whenever a read has failed: an answer that was lost is found among our own pending entries. */
  async function begin(): Promise<void> {
    if (connection.status === 'wait' || connection.status === 'end') await watched(connection.connect(), CONNECT_MS)
    await watched(queue.announce(connection), CONNECT_MS)
    const restored = await queue.createGroups()
    if (restored.length > 0) log.warn({ restored }, 'consumer groups were gone: they begin again where all was done')
    await queue.inherit(options.isDead)
    choice.reset()
    for (const key of queue.keys) ownFrom.set(key, '0')
    fresh = false
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

  // A connection that has died without a word never answers: it is replaced.
  function watched<T>(answer: Promise<T>, expectedMs: number): Promise<T> {
    const watchdog = setTimeout(() => connection.disconnect(true), expectedMs + WATCHDOG_SLACK_MS)
    return answer.finally(() => clearTimeout(watchdog))
  }

  // A lane that has no room waits with its own, and keeps no other waiting.
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

  /** Whether anything was taken over. */
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
      if (left > 0) log.info({ entries: left }, 'took over what a process that is gone has left')
      ownFrom.set(holder.key, '0')
    }
    if (entries.length > 0) log.info({ entries: entries.length }, 'took over what another consumer left')
    return entries.length + dead.length > 0
  }

  async function pending<T extends Pending>(look: () => Promise<T>): Promise<T> {
    const done = new Set<string>()
    doneSince = done
    const found = await look().finally(() => {
      doneSince = undefined
    })
    for (const entry of found.entries) if (!done.has(nameOf(entry))) emit(entry)
    if (found.lost > 0) log.error({ lost: found.lost }, 'entries were trimmed away before they were done')
    return found
  }

  function emit(entry: RawEntry): void {
    if (credit.take(entry)) out.next(entry)
  }
}

function isGroupGone(error: unknown): boolean {
  return /NOGROUP|UNBLOCKED/.test(String(error))
}
