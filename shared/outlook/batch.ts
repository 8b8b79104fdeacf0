import { z } from 'zod'
import { MailError } from '../error.ts'

/**
 * One part of a Graph `$batch` answer: the id of its request, and the answer; `body` is absent if there is
 * none.
 */
export interface BatchPart {
  id: string
  status: number
  headers: Record<string, string>
  body?: unknown
}

// learn.microsoft.com/graph/json-batching: the outer status is 200 whatever the parts say, and parts come in
// any order.
const answerSchema = z.object({ responses: z.array(z.unknown()) })
const partSchema = z.object({
  id: z.string(),
  status: z.number().int(),
  headers: z.record(z.string(), z.coerce.string()).nullish().catch(null),
  body: z.unknown().optional(),
})

/**
 * Reads a Graph `$batch` answer into parts by request id. An invalid part is dropped. Parts that claim the
 * same request are dropped too, because none is known to be right. Throws `unavailable` if the answer was
 * damaged, `unparsable` if it is another document.
 */
export function parseGraphBatch(answer: unknown): ReadonlyMap<string, BatchPart> {
  if (typeof answer === 'string')
    throw new MailError('unavailable', "Graph's answer to $batch is not JSON; it was damaged in transit")
  const { success, data } = answerSchema.safeParse(answer)
  if (!success) throw new MailError('unparsable', "Graph's answer to $batch contains no list of responses")
  const parts = data.responses.flatMap(response => partSchema.safeParse(response).data ?? [])
  const times = new Map<string, number>()
  for (const { id } of parts) times.set(id, (times.get(id) ?? 0) + 1)
  return new Map(
    parts
      .filter(({ id }) => times.get(id) === 1)
      .map(({ id, status, headers, body }) => [
        id,
        { id, status, headers: headers ?? {}, ...(body === undefined || body === null ? {} : { body }) },
      ]),
  )
}
