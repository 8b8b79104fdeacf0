import type { Redis } from 'ioredis'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Simulators } from '../../sim/both.ts'
import { injectDenial } from './denial.ts'
import { insist } from './insist.ts'
import type { PlannedFault } from './plan.ts'
import type { Processes, ProcessSlot } from './processes.ts'
import type { ChaosRedis } from './redis.ts'
import { createTampering, WITHDRAWN } from './tamper.ts'

/** The targets of faults. */
export interface Targets {
  processes: Processes
  server: ChaosRedis
  /** A client whose connection may be cut too. */
  redis: Redis
  sims: Simulators
  mailboxes: readonly MailboxId[]
  prefix: string
  signal: AbortSignal
  pause: (ms: number) => Promise<void>
}

/** An active fault: its description for people, and a promise of the recovery of everything it hitProcess. */
export interface ActiveFault {
  what: string
  over: Promise<void>
}

/** Creates a function that injects faults; it returns `undefined` when a fault finds no target, for instance when all victims are down. */
export function createInjector(targets: Targets): (fault: PlannedFault) => ActiveFault | undefined {
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
        return hitProcess(fault, slot => ({
          what: `${how} to ${slot.name}, back after ${ms}`,
          over: slot.end(how, forMs),
        }))
      }
      case 'stop':
        return hitProcess(fault, slot => ({ what: `SIGSTOP to ${slot.name} for ${ms}`, over: slot.freeze(forMs) }))
      case 'redisKill': {
        if (redisBack) return undefined
        redisBack = server.kill(forMs, pause).finally(() => {
          redisBack = undefined
        })
        return { what: `SIGKILL to Redis, back after ${ms}`, over: redisBack }
      }
      case 'cut':
        return askRedis('every Redis connection cut', () => redis.call('CLIENT', 'KILL', 'TYPE', 'normal'))
      case 'scriptFlush':
        return askRedis('SCRIPT FLUSH', () => redis.script('FLUSH'))
      case 'evict':
        return askRedis('half of the cached messages evicted', () => evict(fault.victim))
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
        const { what, end } = injectDenial(sims, mailbox, fault.victim)
        return { what: `${what} for ${ms}`, over: pause(forMs).then(end) }
      }
      case 'expire':
        return { what: expire(fault.victim), over: Promise.resolve() }
      case 'throttle':
      case 'error':
      case 'parts':
      case 'refuse': {
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
      default:
        throw new Error(`no fault is injected for ${kind satisfies never}`)
    }
  }

  // Tampering restores the previous state, so two at a time would undo each other.
  function tamper(what: string, work: () => Promise<unknown>): ActiveFault | undefined {
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

  function hitProcess({ victim }: PlannedFault, how: (slot: ProcessSlot) => ActiveFault): ActiveFault | undefined {
    const slot = pick(
      targets.processes.slots.filter(one => one.idle()),
      victim,
    )
    return slot && how(slot)
  }

  function askRedis(what: string, ask: () => Promise<unknown>): ActiveFault {
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
