import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { MACHINE } from '../machine.ts'
import type { Keys } from './keys.ts'
import { SINK } from './schema.ts'
import { sinkPauseScript, sinkTryScript } from './scripts.ts'

/** A paused sink. Times are in ms since 1970. */
export interface SinkPause {
  why: string
  since: number
  /** When one task tries the sink again. */
  tryAt: number
}

/** Whether the sink takes tasks, shared by all processes with the same settings of it. */
export interface SinkState {
  /**
   * Returns why no task may go now, and when to ask again, a minute later at most: the sink may have been mended. One question at a time is
   * answered with `undefined` although the sink is paused: that task tries it.
   */
  waits(): Promise<{ untilMs: number; why: string } | undefined>
  /** Pauses the sink. It is tried after a minute, then ever more rarely, at last hourly; in an outage after ten seconds to five minutes. */
  pause(why: string, options?: { isOutage?: boolean }): Promise<void>
  /** Ends the pause where this process tried the sink. */
  succeeded(): Promise<void>
}

interface SinkStateOptions {
  redis: Redis
  keys: Keys
  /** Everything that decides whether the sink works, such as its address and its secrets. Only a digest is stored. */
  settings: string
  /** The clock; by default the server's. */
  now?: () => number
  uuid?: () => string
}

const MINUTE_MS = 60_000
const TRIES = {
  person: { firstMs: MINUTE_MS, mostMs: 60 * MINUTE_MS },
  outage: { firstMs: 10_000, mostMs: 5 * MINUTE_MS },
}

/** Creates the state of the sink with these settings. A pause of a sink with other settings does not count. */
export function createSinkState({ redis, keys, settings, now, uuid = MACHINE.uuid }: SinkStateOptions): SinkState {
  const digest = digestOf(settings)
  let isTrying = false

  return {
    async waits() {
      const answer = await sinkTryScript(redis, [keys.sink], [now?.() ?? '', digest, uuid()])
      const [outcome, tryAt = 0, why = ''] = answer as ['go' | 'try' | 'wait', number?, string?]
      if (outcome === 'try') isTrying = true
      if (outcome !== 'wait') return undefined
      return { untilMs: Math.min(tryAt, (now?.() ?? (await serverTime())) + MINUTE_MS), why }
    },
    async pause(why, { isOutage = false } = {}) {
      isTrying = false
      const { firstMs, mostMs } = isOutage ? TRIES.outage : TRIES.person
      await sinkPauseScript(redis, [keys.sink], [now?.() ?? '', digest, why, firstMs, mostMs])
    },
    async succeeded() {
      if (!isTrying) return
      isTrying = false
      await resumeSink(redis, keys)
    },
  }

  async function serverTime(): Promise<number> {
    const [seconds] = await redis.time()
    return Number(seconds) * 1000
  }
}

/** Ends a pause of the sink, whatever its reason; returns whether there was one. */
export async function resumeSink(redis: Redis, keys: Keys): Promise<boolean> {
  return (await redis.del(keys.sink)) === 1
}

/** Returns the pause of the sink with these settings; `undefined` where it takes tasks. */
export async function readSinkPause(redis: Redis, keys: Keys, settings: string): Promise<SinkPause | undefined> {
  const [of, why, since, tryAt] = await redis.hmget(keys.sink, SINK.settings, SINK.why, SINK.since, SINK.tryAt)
  if (of !== digestOf(settings)) return undefined
  return { why: why ?? '', since: Number(since), tryAt: Number(tryAt) }
}

function digestOf(settings: string): string {
  return createHash('sha256').update(settings).digest('hex').slice(0, 32)
}
