import { z } from 'zod'
import { FINISHES } from '../ai/sink.ts'

/**
 * What a worker or a sink answers to a task. It carries the task's names, so that a reader needs no task; `output` is what the model made of it, and
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
  /** How the answer ended; without it, `answered`. Otherwise `output` is empty. */
  finish: z.enum(FINISHES).optional(),
  output: z.record(z.string(), z.unknown()),
  /** When the answer was written, in ms since 1970. */
  at: z.number(),
  usage: z
    .object({
      inputTokens: z.number().int(),
      outputTokens: z.number().int(),
      /** The part of the input that the host had cached. */
      cachedTokens: z.number().int().optional(),
    })
    .optional(),
  /** Millionths of a US dollar, by the configured prices. */
  costMicroUsd: z.number().int().optional(),
  /** How many items, links, addresses and images were removed from `output`, because no mail of the task has them. */
  removed: z
    .object({
      items: z.number().int().optional(),
      links: z.number().int().optional(),
      addresses: z.number().int().optional(),
      images: z.number().int().optional(),
    })
    .optional(),
  note: z.string().optional(),
})
export type TaskResult = z.infer<typeof resultSchema>
