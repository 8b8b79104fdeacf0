import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MailError } from '../../shared/error.ts'
import { type ClientAddress, peerKey } from './client-address.ts'
import { MINUTE_MS } from './post.ts'

/** The refused requests of an address, counted by the minute. */
export interface Refusals {
  /** Counts one; what was accepted is never counted. */
  count(request: FastifyRequest): Promise<void>
  /** Whether the address has had as many refused as it may: then only what can be believed is answered, and all else with `tooMany`. */
  isOver(request: FastifyRequest): Promise<boolean>
  /** The answer to it: `throttled`, with how long it lasts. */
  tooMany(request: FastifyRequest): Promise<MailError>
}

/** Counts for an app that has @fastify/rate-limit; `most` a minute and address, the newest few thousand addresses. */
export function countRefusals(http: FastifyInstance, options: { most: number; clientOf: ClientAddress }): Refusals {
  const { most, clientOf } = options
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
      const message = `too many requests of this address were refused; try again in ${seconds} seconds`
      return new MailError('throttled', message, { retryAfterMs: seconds * 1000, isOurs: true })
    },
  }

  async function stateOf(request: FastifyRequest): Promise<{ remaining: number; ttlMs: number }> {
    const state = await limit(request, { increment: false })
    return state.isAllowed ? { remaining: most, ttlMs: 0 } : { remaining: state.remaining, ttlMs: state.ttl }
  }
}
