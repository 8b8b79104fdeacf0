import type { Redis } from 'ioredis'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Simulators } from '../../sim/both.ts'
import type { Crew, Post } from './crew.ts'
import { insist } from './insist.ts'
import type { PlannedFault } from './plan.ts'
import type { ChaosRedis } from './redis.ts'
import { fallSick } from './sick.ts'
import { createTampering, WITHDRAWN } from './tamper.ts'

/** All that faults can hit. */
export interface Targets {
  crew: Crew
  server: ChaosRedis
  /** A client that may be cut as well. */
  redis: Redis
  sims: Simulators
  mailboxes: readonly MailboxId[]
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
  const { server, redis, sims, pause, signal } = targets
  const tampering = createTampering(redis, targets.prefix, work => insist(work, signal, pause))
  let redisBack: Promise<void> | undefined
  let tampered: Promise<unknown> | undefined

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
      case 'withdraw': {
        const command = pick(WITHDRAWN, fault.victim) ?? 'xadd'
        return tamper(`${command} withdrawn for ${ms}`, () => tampering.withdraw(command, () => pause(forMs)))
      }
      case 'mistype':
        return tamper(`a key of another type for ${ms}`, () => tampering.mistype(fault.victim, () => pause(forMs)))
      case 'restore':
        return tamper(`Redis put back to its state of ${ms} ago`, () => tampering.restore(() => pause(forMs)))
      case 'sick': {
        const mailbox = pick(targets.mailboxes, fault.victim)
        if (!mailbox) return undefined
        const { what, end } = fallSick(sims, mailbox, fault.victim)
        return { what: `${what} for ${ms}`, over: pause(forMs).then(end) }
      }
      case 'expire':
        return { what: expire(fault.victim), over: Promise.resolve() }
      default: {
        const { gmail, graph } = fault.provider
        const untilMs = Date.now() + forMs
        const more = { retryAfterSeconds: 0.5 }
        const [atGmail, atGraph] = [sims.gmail.faults.read(), sims.graph.faults.read()]
        sims.gmail.faults.set({ ...atGmail, bursts: [...atGmail.bursts, { ...gmail, untilMs }], ...more })
        sims.graph.faults.set({ ...atGraph, bursts: [...atGraph.bursts, { ...graph, untilMs }], ...more })
        const often = ({ kind, rate }: { kind: string; rate: number }) => `${kind} (${Math.round(rate * 100)} %)`
        const what = `${often(gmail)} at Gmail and ${often(graph)} at Graph for ${ms}`
        return { what, over: pause(forMs) }
      }
    }
  }

  // One undoes what it did: two at a time would undo each other.
  function tamper(what: string, work: () => Promise<unknown>): Strike | undefined {
    if (tampered) return undefined
    const over = work().then(() => {
      tampered = undefined
    })
    tampered = over
    return { what, over }
  }

  function expire(random: number): string {
    const mailbox = pick(targets.mailboxes, random)
    if (!mailbox) return 'nothing expires'
    const address = addressOf(mailbox)
    if (providerOf(mailbox) === 'gmail') {
      sims.gmail.expireHistory(address)
      return `the history of ${mailbox} expires`
    }
    const folder = pick(['inbox', 'archive', undefined], (random * 1000) % 1)
    sims.graph.mailbox(address).expireDelta(folder)
    return `the delta links of ${mailbox} expire, ${folder ? `of its ${folder}` : 'all of them'}`
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
