import type { Redis } from 'ioredis'
import type { GmailSimulator } from '../../sim/gmail.ts'
import type { Crew, Post } from './crew.ts'
import { insist } from './insist.ts'
import type { PlannedFault } from './plan.ts'
import type { ChaosRedis } from './redis.ts'

/** All that faults can hit. */
export interface Targets {
  crew: Crew
  server: ChaosRedis
  /** A client that may be cut as well. */
  redis: Redis
  sim: GmailSimulator
  addresses: readonly string[]
  prefix: string
  signal: AbortSignal
  pause: (ms: number) => Promise<void>
}

/** A fault under way: what it is, for people, and when everything it hit is up again. */
export interface Strike {
  what: string
  over: Promise<void>
}

/** Lets faults strike; one that finds nothing to hit, as when all its victims are down already, is `undefined`. */
export function createStriker(targets: Targets): (fault: PlannedFault) => Strike | undefined {
  const { server, redis, sim, pause, signal } = targets
  let redisBack: Promise<void> | undefined

  return fault => {
    const { kind, forMs } = fault
    const ms = `${Math.round(forMs)} ms`
    switch (kind) {
      case 'kill':
      case 'term': {
        const how = kind === 'kill' ? 'SIGKILL' : 'SIGTERM'
        return hit(fault, post => ({ what: `${how} to ${post.name}, back after ${ms}`, over: post.end(how, forMs) }))
      }
      case 'stop':
        return hit(fault, post => ({ what: `SIGSTOP to ${post.name} for ${ms}`, over: post.freeze(forMs) }))
      case 'redisKill': {
        if (redisBack) return undefined
        redisBack = server.kill(forMs, pause).finally(() => {
          redisBack = undefined
        })
        return { what: `SIGKILL to Redis, back after ${ms}`, over: redisBack }
      }
      case 'cut':
        return asked('every Redis connection cut', () => redis.call('CLIENT', 'KILL', 'TYPE', 'normal'))
      case 'scriptFlush':
        return asked('SCRIPT FLUSH', () => redis.script('FLUSH'))
      case 'evict':
        return asked('half of the cached messages evicted', () => evict(fault.victim))
      case 'expire': {
        const address = pick(targets.addresses, fault.victim) ?? ''
        sim.expireHistory(address)
        return { what: `the history of ${address} expires`, over: Promise.resolve() }
      }
      default: {
        const { bursts } = sim.faults.read()
        sim.faults.set({
          bursts: [...bursts, { ...fault.provider, untilMs: Date.now() + forMs }],
          retryAfterSeconds: 0.5,
        })
        const percent = Math.round(fault.provider.rate * 100)
        return { what: `${fault.provider.kind} at the provider, ${percent} % for ${ms}`, over: pause(forMs) }
      }
    }
  }

  function hit({ victim }: PlannedFault, how: (post: Post) => Strike): Strike | undefined {
    const post = pick(
      targets.crew.posts.filter(one => one.idle()),
      victim,
    )
    return post && how(post)
  }

  function asked(what: string, ask: () => Promise<unknown>): Strike {
    return { what, over: insist(ask, signal, pause) }
  }

  async function evict(random: number): Promise<void> {
    const keys = (await redis.keys(`${targets.prefix}:*:msg:*`)).sort()
    const half = keys.filter((_, index) => (index + Math.floor(random * 2)) % 2 === 0)
    if (half.length > 0) await redis.del(...half)
  }
}

function pick<T>(from: readonly T[], random: number): T | undefined {
  return from[Math.floor(random * from.length)]
}
