import { z } from 'zod'
import { MailError } from '../error.ts'

/** One part of a Graph `$batch` answer: which request it answers, and how; `body` is absent where there is none. */
export interface BatchPart {
  id: string
  status: number
  headers: Record<string, string>
  body?: unknown
}

// learn.microsoft.com/graph/json-batching: the outer status is 200 whatever the parts say, and their order is not kept.
const answerSchema = z.object({ responses: z.array(z.unknown()) })
const partSchema = z.object({
  id: z.string(),
  status: z.number().int(),
  headers: z.record(z.string(), z.coerce.string()).nullish().catch(null),
  body: z.unknown().optional(),
})

/**
 * Reads a Graph `$batch` answer into its parts by the id of the request they answer. A part that is none is left out, and so are parts that
 * claim the same request: nobody knows whose they are. Throws `unavailable` where the answer was damaged, `unparsable` when it is another.
 */
export function parseGraphBatch(answer: unknown): ReadonlyMap<string, BatchPart> {
  if (typeof answer === 'string')
    throw new MailError('unavailable', "Graph's answer to $batch is no JSON; it was damaged on its way")
  const { success, data } = answerSchema.safeParse(answer)
  if (!success) throw new MailError('unparsable', "Graph's answer to $batch holds no list of responses")
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
