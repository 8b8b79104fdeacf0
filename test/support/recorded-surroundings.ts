import type { Redis } from 'ioredis'
import { type Surroundings, surroundingsOf } from '../../pipeline/base/surroundings.ts'
import type { Config } from '../../shared/config.ts'
import { MACHINE, type Machine, type Timer } from '../../shared/machine.ts'
import { openRedis } from '../../shared/redis/connect.ts'

/** The surroundings of one pipeline, and what it has taken from them. */
export interface RecordedSurroundings {
  surroundings: Surroundings
  /** The number of timers that are set now. */
  timers(): number
  /** The connections to Redis it opened, open or closed. */
  connections: readonly Redis[]
  /** The hosts it sent requests to. */
  hosts: ReadonlySet<string>
}

/** A machine whose clocks are ahead, and whose ids begin with a byte. */
interface OwnMachine {
  dateAheadMs: number
  elapsedAheadMs: number
  idByte: number
}

/** Creates surroundings that are real except for their machine, and that record what is taken from them. */
export function recordedSurroundings(config: Config, machine: OwnMachine): RecordedSurroundings {
  const set = new Set<Timer>()
  const connections: Redis[] = []
  const hosts = new Set<string>()
  const real = surroundingsOf(config)
  const http: Surroundings['http'] = {
    ...real.http,
    exchange(url, exchange) {
      hosts.add(new URL(url).host)
      return real.http.exchange(url, exchange)
    },
    forGoogle(mostBytes) {
      const { agent, fetchImplementation } = real.http.forGoogle(mostBytes)
      const noted: typeof fetchImplementation = (url, request) => {
        hosts.add(new URL(String(url)).host)
        return fetchImplementation(url, request)
      }
      return { agent, fetchImplementation: noted }
    },
  }
  return {
    surroundings: surroundingsOf(config, {
      machine: machineOf(machine, set),
      http,
      openRedis(url, options) {
        const redis = openRedis(url, options)
        connections.push(redis)
        return redis
      },
    }),
    timers: () => set.size,
    connections,
    hosts,
  }
}

function machineOf({ dateAheadMs, elapsedAheadMs, idByte }: OwnMachine, set: Set<Timer>): Machine {
  const noted = (timer: Timer): Timer => {
    const own = {
      ...timer,
      cancel() {
        set.delete(own)
        timer.cancel()
      },
    }
    set.add(own)
    return own
  }
  return {
    ...MACHINE,
    date: () => MACHINE.date() + dateAheadMs,
    elapsed: () => MACHINE.elapsed() + elapsedAheadMs,
    randomBytes(size) {
      const bytes = MACHINE.randomBytes(size)
      bytes[0] = idByte
      return bytes
    },
    uuid: () => idByte.toString(16) + MACHINE.uuid().slice(2),
    after(ms, work) {
      const own = noted(
        MACHINE.after(ms, () => {
          set.delete(own)
          work()
        }),
      )
      return own
    },
    every: (ms, work) => noted(MACHINE.every(ms, work)),
  }
}
