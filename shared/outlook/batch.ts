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
const answerSchema = z.object({
  responses: z.array(
    z.object({
      id: z.string(),
      status: z.number().int(),
      headers: z.record(z.string(), z.coerce.string()).nullish(),
      body: z.unknown().optional(),
    }),
  ),
})

/** Reads a Graph `$batch` answer into its parts by the id of the request they answer; throws `unparsable` when it is none. */
export function parseGraphBatch(answer: unknown): ReadonlyMap<string, BatchPart> {
  const { success, data } = answerSchema.safeParse(answer)
  if (!success)
    throw new MailError(
      'unparsable',
      "Graph's answer to $batch holds no list of responses with an id and a status each",
    )
  return new Map(
    data.responses.map(({ id, status, headers, body }) => [
      id,
      { id, status, headers: headers ?? {}, ...(body === undefined || body === null ? {} : { body }) },
    ]),
  )
}
