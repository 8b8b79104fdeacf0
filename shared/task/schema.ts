import { z } from 'zod'
import { UNREADABLE } from '../message.ts'

/** Why a thread is emitted: it was never dispatched, it has new mail, or its mail was deleted or relabelled. */
export const REASONS = ['new', 'grown', 'changed'] as const

const addressSchema = z.object({ name: z.string(), address: z.string() })

/**
 * A conversation to analyse, self-contained. `task` is its idempotency key; `messages` are oldest first. Its JSON stays within its budget
 * (`filling.ts`), and its texts hold no control characters and no lone surrogates.
 */
export const taskSchema = z.object({
  task: z.string(),
  mailbox: z.string(),
  thread: z.string(),
  version: z.string(),
  subject: z.string(),
  participants: z.array(addressSchema),
  messages: z.array(
    z.object({
      id: z.string(),
      from: z.array(addressSchema),
      to: z.array(addressSchema),
      cc: z.array(addressSchema),
      date: z.string(),
      subject: z.string(),
      text: z.string(),
      /** The mail has more text than `text` and `subject`, or more recipients. */
      truncated: z.boolean(),
      /** Fields of the mail that could not be read in full; a field that could not be read at all is empty. */
      unreadable: z.array(z.enum(UNREADABLE)).optional(),
    }),
  ),
  /** Ids of deferred messages of the thread. Once one is read or dead-lettered, the thread is emitted again without it here. */
  omitted: z.array(z.string()).default([]),
  labels: z.array(z.string()),
  /** Some participants, labels or omitted ids are missing, or a subject is cut. */
  truncated: z.boolean().default(false),
  reason: z.enum(REASONS),
  promptVersion: z.string(),
  /** `used` is how many tokens the whole task takes; `omitted` is how many older messages did not fit. */
  budget: z.object({ tokens: z.number(), used: z.number(), omitted: z.number() }),
})
export type Task = z.infer<typeof taskSchema>
