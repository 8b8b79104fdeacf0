import { z } from 'zod'
import type { GraphAnswer, GraphRequest } from './call.ts'
import { badRequest } from './error.ts'

/** A request inside a batch. */
export interface BatchPart extends GraphRequest {
  id: string
  dependsOn: readonly string[]
}

/** A part's answer. */
export interface PartAnswer extends GraphAnswer {
  id: string
}

const MAX_PARTS = 20
/**
 * The number of parts answered concurrently (learn.microsoft.com/graph/throttling: requests to one mailbox).
 */
const AT_ONCE = 4
const FAILED = 400
const FAILED_DEPENDENCY = 424

const batchSchema = z.object({
  requests: z.array(
    z.object({
      id: z.string().min(1),
      method: z.string(),
      url: z.string(),
      headers: z.record(z.string(), z.string()).optional(),
      body: z.unknown().optional(),
      dependsOn: z.array(z.string()).optional(),
    }),
  ),
})

/**
 * Reads the body of a `POST /$batch`; throws a 400 if it is invalid, or breaks a rule of
 * learn.microsoft.com/graph/json-batching.
 */
export function readBatch(body: unknown, version: string): readonly BatchPart[] {
  const { data } = batchSchema.safeParse(body)
  if (!data) throw badRequest('Invalid batch payload format.')
  const { requests } = data
  if (requests.length === 0) throw badRequest('Invalid batch payload format: it has no requests.')
  if (requests.length > MAX_PARTS)
    throw badRequest(`Number of batch request steps exceeds the maximum value of ${MAX_PARTS}.`, 'MaximumValueExceeded')
  const ids = new Set(requests.map(({ id }) => id.toLowerCase()))
  if (ids.size < requests.length) throw badRequest('Invalid batch payload: request id has to be unique in a batch.')
  return requests.map((request, at) => {
    const earlier = requests.slice(0, at).map(({ id }) => id)
    const unknown = request.dependsOn?.find(id => !earlier.includes(id))
    if (unknown !== undefined)
      throw badRequest(`Invalid batch payload: dependsOn names ${unknown}, which is no request before.`)
    if (/^https?:/i.test(request.url)) throw badRequest('Invalid batch payload: URLs have to be relative.')
    const headers = Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
    return {
      id: request.id,
      method: request.method.toUpperCase(),
      url: withVersion(request.url, version),
      headers: Object.fromEntries(headers),
      body: request.body,
      dependsOn: request.dependsOn ?? [],
    }
  })
}

/** Answers the parts, a few at a time, each after its dependencies; 424 if one of them failed. */
export async function answerParts(
  parts: readonly BatchPart[],
  answer: (part: BatchPart) => Promise<GraphAnswer>,
): Promise<PartAnswer[]> {
  const answers: PartAnswer[] = []
  const statusOf = new Map<string, Promise<number>>()
  let free = AT_ONCE
  const waiting: (() => void)[] = []

  const enter = async () => {
    if (free === 0) await new Promise<void>(resolve => waiting.push(resolve))
    else free -= 1
  }
  const leave = () => {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  }

  const run = async (part: BatchPart) => {
    const before = await Promise.all(part.dependsOn.map(id => statusOf.get(id) ?? 0))
    const failed = before.some(status => status >= FAILED)
    const given = failed ? failedDependency() : await within(part)
    answers.push({ id: part.id, ...given })
    return given.status
  }
  const within = async (part: BatchPart) => {
    await enter()
    try {
      return await answer(part)
    } finally {
      leave()
    }
  }

  for (const part of parts) statusOf.set(part.id, run(part))
  await Promise.all(statusOf.values())
  return answers
}

function failedDependency(): GraphAnswer {
  return {
    status: FAILED_DEPENDENCY,
    body: { error: { code: 'FailedDependency', message: 'A request that this one depends on has failed.' } },
  }
}

// Graph's own links are absolute; clients cut them off after the host, or after the version.
function withVersion(url: string, version: string): string {
  const path = url.startsWith('/') ? url : `/${url}`
  return /^\/(v1\.0|beta)\//i.test(path) ? path : `/${version}${path}`
}
