import type { Redis } from 'ioredis'
import { type Observable, Subject } from 'rxjs'
import { isConnectionError } from '../shared/redis/connect.ts'
import type { Queue, RawEntry } from '../shared/redis/queue.ts'
import type { Log } from './log.ts'
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
const AFTER_ERROR_MS = 200
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
  let promoteAt = 0
  let reclaimAt = 0
  let hot: readonly string[] = []
  let turn = 0
  let promoteTimer: NodeJS.Timeout | undefined
  connection.on('ready', () => {
    fresh = true
  })
  // The first entry must find its subscriber.
  setImmediate(() => void loop())

  return {
    entries: out.asObservable(),
    done(entries) {
      for (const entry of entries) held.delete(nameOf(entry))
      freed?.()
    },
    expect: scheduleAt,
    inFlight: () => [...held.values()],
    stop() {
      stopping.abort()
      clearTimeout(promoteTimer)
      connection.disconnect()
      freed?.()
    },
  }

  async function loop(): Promise<void> {
    let failingSince: number | undefined
    while (!stopping.signal.aborted) {
      try {
        await readOnce()
        if (failingSince !== undefined) log.info({ outageMs: now() - failingSince }, 'Redis is back')
        failingSince = undefined
      } catch (error) {
        if (stopping.signal.aborted) break
        fresh = true
        if (!failingSince && isConnectionError(error))
          log.warn({ error: String(error) }, 'Redis does not answer; waiting for it')
        else if (!isConnectionError(error) && !isGroupGone(error)) log.error({ error: String(error) }, 'cannot read')
        failingSince ??= now()
        await sleep(AFTER_ERROR_MS, stopping.signal)
      }
    }
    out.complete()
  }

  async function readOnce(): Promise<void> {
    if (fresh) {
      if (connection.status === 'wait' || connection.status === 'end') await connection.connect()
      await queue.createGroups()
      await queue.inherit(options.isDead)
      fresh = false
      await readOwnPending()
    }
    await credit(queue.keys.length)
    if (stopping.signal.aborted) return
    if (now() >= promoteAt) await promote()
    if (now() >= reclaimAt) await reclaim()
    const entries = hot.length > 0 ? await readHot() : await readAll()
    for (const entry of entries) emit(entry)
  }

  async function readAll(): Promise<RawEntry[]> {
    const count = Math.max(1, Math.floor(room() / queue.keys.length))
    const blockMs = Math.max(1, Math.min(LONGEST_BLOCK_MS, promoteAt - now(), reclaimAt - now()))
    const watchdog = setTimeout(() => connection.disconnect(true), blockMs + WATCHDOG_SLACK_MS)
    const entries = await queue.read(connection, queue.keys, count, blockMs).finally(() => clearTimeout(watchdog))
    hot = queue.keys.filter(key => entries.filter(entry => entry.key === key).length === count)
    return entries
  }

  // A stream that filled its share has more: it gets all the room there is, live before bulk.
  async function readHot(): Promise<RawEntry[]> {
    turn += 1
    const live = hot.filter(key => !key.endsWith(':bulk'))
    const keys = live.length > 0 && turn % BULK_TURN !== 0 ? live : hot
    hot = []
    return queue.read(connection, keys, Math.max(1, Math.floor(room() / keys.length)), undefined)
  }

  async function readOwnPending(): Promise<void> {
    for (const key of queue.keys) {
      let after = '0'
      for (;;) {
        await credit(1)
        const entries = await queue.readOwn(key, after, room())
        for (const entry of entries) emit(entry)
        const last = entries.at(-1)
        if (!last || stopping.signal.aborted) break
        after = last.entryId
      }
    }
  }

  async function reclaim(): Promise<void> {
    reclaimAt = now() + leaseMs
    const { entries, lost } = await queue.reclaim(leaseMs, room())
    if (entries.length > 0) log.info({ entries: entries.length }, 'took over what another consumer left')
    if (lost > 0) log.error({ lost }, 'entries were trimmed away before they were done')
    for (const entry of entries) emit(entry)
  }

  async function promote(): Promise<void> {
    promoteAt = now() + LONGEST_BLOCK_MS
    const due = await queue.promote()
    if (due !== undefined) scheduleAt(due)
  }

  // The blocked read is woken by what the promotion writes.
  function scheduleAt(dueAt: number): void {
    if (dueAt >= promoteAt || stopping.signal.aborted) return
    promoteAt = dueAt
    clearTimeout(promoteTimer)
    promoteTimer = setTimeout(
      () => promote().catch(() => scheduleAt(now() + AFTER_ERROR_MS)),
      Math.max(1, dueAt - now()),
    )
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
