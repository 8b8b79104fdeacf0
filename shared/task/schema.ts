import { z } from 'zod'
import { attachmentSchema, inviteSchema, MAIL_KINDS, UNREADABLE } from '../message.ts'

/** Why a thread is emitted: it was never dispatched, it has new mail, or its mail was deleted or relabelled. */
export const REASONS = ['new', 'grown', 'changed'] as const

/** Whose address it is: the mailbox's own, or another's. */
const ROLES = ['owner', 'other'] as const

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
  participants: z.array(addressSchema.extend({ role: z.enum(ROLES).optional() })),
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
      /** No earlier task of the thread knew of this message. */
      new: z.boolean().optional(),
      /** Files of the mail, which are never fetched. */
      attachments: z.array(attachmentSchema).optional(),
      /** Events of calendars in the mail. */
      invites: z.array(inviteSchema).optional(),
      /** What the task leaves out of the mail: characters of texts, words of quotes with the message that holds them, else how many. */
      omitted: z
        .object({
          quotes: z.array(z.object({ in: z.string(), words: z.number() })).optional(),
          signature: z.number().optional(),
          text: z.number().optional(),
          hidden: z.number().optional(),
          people: z.number().optional(),
          attachments: z.number().optional(),
          invites: z.number().optional(),
          note: z.string().optional(),
        })
        .optional(),
      /** Fields of the mail that could not be read in full; a field that could not be read at all is empty. */
      unreadable: z.array(z.enum(UNREADABLE)).optional(),
    }),
  ),
  /** Ids of deferred messages of the thread. Once one is read or dead-lettered, the thread is emitted again without it here. */
  omitted: z.array(z.string()).default([]),
  labels: z.array(z.string()),
  /** What else the task leaves out: ids of older messages, as many as fit, and how many participants, labels and ids of `omitted`. */
  omissions: z
    .object({
      older: z.array(z.string()).optional(),
      participants: z.number().optional(),
      labels: z.number().optional(),
      omitted: z.number().optional(),
    })
    .optional(),
  /** Some participants, labels or omitted ids are missing, or a subject is cut. */
  truncated: z.boolean().default(false),
  reason: z.enum(REASONS),
  /** What kind of mail the thread is, and the header, label or sender that shows it. A thread in which the owner wrote is personal. */
  class: z.object({ kind: z.enum(MAIL_KINDS), cause: z.string() }).optional(),
  /** The time zone of the owner (IANA); dates of messages are in UTC. */
  timeZone: z.string().optional(),
  /** The language of the newest message whose script or sender tells it (ISO 639). */
  language: z.string().optional(),
  promptVersion: z.string(),
  /** `used` is how many tokens the whole task takes by estimate (`tokens.ts`); `omitted` is how many older messages did not fit. */
  budget: z.object({ tokens: z.number(), used: z.number(), omitted: z.number() }),
})
export type Task = z.infer<typeof taskSchema>
