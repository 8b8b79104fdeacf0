import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MailError } from '../../shared/error.ts'
import type { Machine } from '../../shared/machine.ts'
import { sleep } from '../base/wait.ts'
import { type ClientAddress, peerKey } from './client-address.ts'
import type { Pace } from './pace.ts'
import { MINUTE_MS } from './post.ts'

/** The refused requests of each address, counted per minute. */
export interface Refusals {
  /** Counts one refused request; accepted requests are never counted. */
  count(request: FastifyRequest): Promise<void>
  /** Returns whether the address has reached its limit: then only verified requests are accepted, and all others get `tooMany`. */
  isOver(request: FastifyRequest): Promise<boolean>
  /** Returns the error for an address over its limit: `throttled`, with the remaining time. */
  tooMany(request: FastifyRequest): Promise<MailError>
  /** Resolves when a refusal may be answered: immediately in ordinary numbers, up to half a second later in a flood. */
  pace(): Promise<void>
}

/** Counts refused requests with @fastify/rate-limit: `most` per minute and address, for the newest few thousand addresses. */
export function countRefusals(
  http: FastifyInstance,
  options: { most: number; clientOf: ClientAddress; pace: Pace; machine: Machine },
): Refusals {
  const { most, clientOf, pace, machine } = options
  const limit = http.createRateLimit({
    max: most,
    timeWindow: MINUTE_MS,
    keyGenerator: request => peerKey(clientOf(request.raw)),
  })

  return {
    async count(request) {
      await limit(request)
    },
    isOver: async request => (await stateOf(request)).remaining === 0,
    async tooMany(request) {
      const { ttlMs } = await stateOf(request)
      const seconds = Math.max(1, Math.ceil(ttlMs / 1000))
      const message = `too many refused requests from this address; try again in ${seconds} seconds`
      return new MailError('throttled', message, { retryAfterMs: seconds * 1000, isOurs: true })
    },
    async pace() {
      const waitMs = pace(machine.elapsed())
      if (waitMs > 0) await sleep(waitMs, undefined, machine)
    },
  }

  async function stateOf(request: FastifyRequest): Promise<{ remaining: number; ttlMs: number }> {
    const state = await limit(request, { increment: false })
    return state.isAllowed ? { remaining: most, ttlMs: 0 } : { remaining: state.remaining, ttlMs: state.ttl }
  }
}
