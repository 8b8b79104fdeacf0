import { z } from 'zod'

/**
 * What a worker answers to a task. It carries the task's names, so that a reader needs no task; `output` is what the model made of it, and
 * belongs to the worker. Answers to one task have the same `task`, and a reader keeps the first.
 */
export const resultSchema = z.object({
  v: z.literal(1),
  /** The idempotency key of the task. */
  task: z.string(),
  mailbox: z.string(),
  thread: z.string(),
  version: z.string(),
  /** The model that answered, as its vendor names it. */
  model: z.string(),
  promptVersion: z.string(),
  output: z.record(z.string(), z.unknown()),
  /** When the answer was written, in ms since 1970. */
  at: z.number(),
  usage: z.object({ inputTokens: z.number().int(), outputTokens: z.number().int() }).optional(),
})
export type TaskResult = z.infer<typeof resultSchema>
