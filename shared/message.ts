import { z } from 'zod'

/** A message's id at its provider; unique within a mailbox. */
export type MessageId = string
/** A thread's id at its provider (Gmail threadId, Outlook conversationId); unique within a mailbox. */
export type ThreadId = string

/** What of a message its sender may have written so that nobody can read it. */
export const UNREADABLE = ['subject', 'from', 'to', 'cc', 'snippet'] as const

const addressSchema = z.object({ name: z.string(), address: z.string() })
const messageSchema = z.object({
  id: z.string(),
  thread: z.string(),
  labels: z.array(z.string()),
  date: z.number(),
  subject: z.string(),
  from: z.array(addressSchema),
  to: z.array(addressSchema),
  cc: z.array(addressSchema),
  snippet: z.string(),
  isPart: z.literal(true).optional(),
  unreadable: z.array(z.enum(UNREADABLE)).optional(),
})

/** One person or list on a mail; `name` is empty where the header gave none, `address` where it gave no address. */
export type Address = z.infer<typeof addressSchema>

/**
 * A message as the cache keeps it: `date` is when the provider received it, in ms since 1970; `snippet` is plain text, and with `isPart` only
 * the beginning of what the mail says. `unreadable` names what could not be read, or not all of it.
 */
export type Message = z.infer<typeof messageSchema>

/** Reads a cached message; `undefined` where the text is none (an older format, a foreign value): it counts as not cached. */
export function parseMessage(text: string): Message | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
