import type { Redis } from 'ioredis'
import { type Observable, Subject } from 'rxjs'
import { isConnectionError } from '../shared/redis/connect.ts'
import type { Pending, Queue, RawEntry } from '../shared/redis/queue.ts'
import type { Log } from './log.ts'
import { promoteInTime } from './promote.ts'
import { sleep } from './wait.ts'

/** Reads a stage's streams on credit: never more entries are out than fit, and each stays counted until `done`. */
export interface Reader {
  entries: Observable<RawEntry>
  /** These entries are committed, or another has them: their credit is free again. */
  done(entries: readonly RawEntry[]): void
  /** Delayed work comes due then (ms since 1970). */
  expect(dueAt: number): void
  /** Every entry that is out. */
  inFlight(): readonly RawEntry[]
  /** Reads no more; `entries` completes. */
  stop(): void
}

interface ReaderOptions {
  queue: Queue
  /** A connection of the reader's own, not yet connected: a blocking read holds up all else on it. */
  connection: Redis
  /** Most entries out at once; at least the number of streams. */
  capacity: number
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
const AFTER_ERROR_MS = 200
const LONGEST_AFTER_ERROR_MS = 2000
// Every so many reads bulk gets its turn though live has more.
const BULK_TURN = 4

/** Starts reading at once. */
export function startReader(options: ReaderOptions): Reader {
  const { queue, connection, leaseMs, now, log } = options
  const capacity = Math.max(options.capacity, queue.keys.length)
  const out = new Subject<RawEntry>()
  const held = new Map<string, RawEntry>()
  const stopping = new AbortController()
  let freed: (() => void) | undefined
  let fresh = true
  let reclaimAt = 0
  let reclaimedAt = 0
  let hot: readonly string[] = []
  let turn = 0
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
      for (const name of entries.map(nameOf)) {
        held.delete(name)
        doneSince?.add(name)
      }
      freed?.()
    },
    expect: delays.expect,
    inFlight: () => [...held.values()],
    stop() {
      stopping.abort()
      connection.disconnect()
      freed?.()
    },
  }

  async function loop(): Promise<void> {
    let outage: { since: number; pauseMs: number; told: Set<string> } | undefined
    while (!stopping.signal.aborted) {
      try {
        await readOnce()
        if (outage) log.info({ outageMs: now() - outage.since }, 'reading again')
        outage = undefined
      } catch (error) {
        if (stopping.signal.aborted) break
        fresh = true
        outage ??= { since: now(), pauseMs: AFTER_ERROR_MS, told: new Set() }
        complain(error, outage.told)
        await sleep(outage.pauseMs, stopping.signal)
        outage.pauseMs = Math.min(LONGEST_AFTER_ERROR_MS, outage.pauseMs * 2)
      }
    }
    out.complete()
  }

  // Once an outage, whatever the number of attempts.
  function complain(error: unknown, told: Set<string>): void {
    const away = isConnectionError(error)
    const what = away ? 'away' : String(error)
    if (told.has(what) || isGroupGone(error)) return
    told.add(what)
    if (away) log.warn({ error: String(error) }, 'Redis does not answer; waiting for it')
    else log.error({ error: String(error) }, 'cannot read; trying again')
  }

  async function readOnce(): Promise<void> {
    if (fresh) await begin()
    await credit(queue.keys.length)
    if (stopping.signal.aborted) return
    await delays.promoteIfDue()
    // What was taken over has used up credit.
    if (now() >= reclaimAt && (await reclaim())) return
    const entries = hot.length > 0 ? await readHot() : await readAll()
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
    hot = []
    fresh = false
    await readOwnPending()
  }

  async function readAll(): Promise<RawEntry[]> {
    const count = Math.max(1, Math.floor(room() / queue.keys.length))
    const begunAt = now()
    const blockMs = Math.max(1, Math.min(LONGEST_BLOCK_MS, delays.nextAt() - begunAt, reclaimAt - begunAt))
    const entries = await watched(queue.read(connection, queue.keys, count, blockMs), blockMs)
    if (entries.length === 0 && now() - begunAt < blockMs - WOKEN_SLACK_MS) reclaimAt = 0
    hot = queue.keys.filter(key => entries.filter(entry => entry.key === key).length === count)
    return entries
  }

  // A stream that filled its share has more: it gets all the room there is, live before bulk.
  async function readHot(): Promise<RawEntry[]> {
    turn += 1
    const live = hot.filter(key => !key.endsWith(':bulk'))
    const keys = live.length > 0 && turn % BULK_TURN !== 0 ? live : hot
    hot = []
    return watched(queue.read(connection, keys, Math.max(1, Math.floor(room() / keys.length)), undefined), 0)
  }

  // A connection that has died without a word never answers: it is replaced.
  function watched<T>(answer: Promise<T>, expectedMs: number): Promise<T> {
    const watchdog = setTimeout(() => connection.disconnect(true), expectedMs + WATCHDOG_SLACK_MS)
    return answer.finally(() => clearTimeout(watchdog))
  }

  async function readOwnPending(): Promise<void> {
    for (const key of queue.keys) {
      for (let after: string | undefined = '0'; after !== undefined && !stopping.signal.aborted; ) {
        await credit(1)
        const from: string = after
        after = (await pending(() => queue.readOwn(key, from, room()))).next
      }
    }
  }

  /** Whether anything was taken over. */
  async function reclaim(): Promise<boolean> {
    const { entries, more } = await pending(() => queue.reclaim(leaseMs, room()))
    reclaimedAt = now()
    reclaimAt = more ? 0 : reclaimedAt + leaseMs
    if (entries.length > 0) log.info({ entries: entries.length }, 'took over what another consumer left')
    return entries.length > 0
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
    const name = nameOf(entry)
    if (held.has(name)) return
    held.set(name, entry)
    out.next(entry)
  }

  function room(): number {
    return Math.max(1, capacity - held.size)
  }

  async function credit(wanted: number): Promise<void> {
    while (capacity - held.size < wanted && !stopping.signal.aborted) {
      await new Promise<void>(resolve => {
        freed = resolve
      })
    }
  }
}

function nameOf({ key, entryId }: RawEntry): string {
  return `${key} ${entryId}`
}

function isGroupGone(error: unknown): boolean {
  return /NOGROUP|UNBLOCKED/.test(String(error))
}
