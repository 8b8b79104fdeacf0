import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { World } from './api.ts'
import { partsIn } from './batch.ts'
import type { GoogleError } from './error.ts'
import { methodOf } from './methods.ts'
import type { Quota } from './quota.ts'

/**
 * Holds API calls to the quota: each is charged when it comes in, the parts of a batch one by one, and is in flight until its answer
 * is out. A call that is refused is answered at once; `refusals` has those of a batch, by the position of the part.
 */
export function addQuota(app: FastifyInstance, { world, quota }: { world: World; quota: Quota }) {
  const byRequest = new WeakMap<FastifyRequest, readonly (GoogleError | undefined)[]>()

  const enter = (call: { method: string; url: string; authorization: string | undefined }, leaving: string[]) => {
    const method = methodOf(call.method, call.url)
    const address = method && world.tokens.addressIn(call.authorization)
    // What Google does not know, or does not let in, costs nobody anything.
    if (!method || address === undefined) return undefined
    const refusal = quota.enter(address, method)
    if (!refusal) leaving.push(address)
    return refusal
  }

  app.addHook('preHandler', async (request, reply) => {
    const { authorization } = request.headers
    const leaving: string[] = []
    reply.raw.once('close', () => {
      for (const address of leaving) quota.leave(address)
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
