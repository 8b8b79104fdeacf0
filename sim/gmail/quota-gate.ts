import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { GmailState } from './api.ts'
import { partsIn } from './batch.ts'
import type { GoogleError } from './error.ts'
import { methodOf } from './methods.ts'
import type { Quota } from './quota.ts'

/**
 * Enforces the quota on API calls. Each call, or each part of a batch, is charged on arrival and in flight
 * until its answer is sent. A refused call is answered at once; `refusals` holds those of a batch, by the
 * position of the part.
 */
export function addQuota(app: FastifyInstance, { state, quota }: { state: GmailState; quota: Quota }) {
  const byRequest = new WeakMap<FastifyRequest, readonly (GoogleError | undefined)[]>()

  const enter = (call: { method: string; url: string; authorization: string | undefined }, leaving: string[]) => {
    const method = methodOf(call.method, call.url)
    const address = method && state.tokens.addressIn(call.authorization)
    // Unknown and unauthorized requests cost nothing.
    if (!method || address === undefined) return undefined
    const refusal = quota.enter(address, method)
    if (!refusal) leaving.push(address)
    return refusal
  }

  app.addHook('preHandler', async (request, reply) => {
    const { authorization } = request.headers
    const leaving: string[] = []
    reply.raw.once('close', () => {
      for (const address of leaving) quota.release(address)
    })
    const parts = partsIn(request)
    const calls =
      parts.length === 0
        ? [{ method: request.method, url: request.url, authorization }]
        : parts.map(({ method, path, headers }) => ({
            method,
            url: path,
            authorization: headers.authorization ?? authorization,
          }))
    const refusals = calls.map(call => enter(call, leaving))
    if (parts.length > 0) byRequest.set(request, refusals)
    else if (refusals[0]) throw refusals[0]
  })

  return { refusals: (request: FastifyRequest) => byRequest.get(request) ?? [] }
}
