import { z } from 'zod'

/** A message's id at its provider; unique within a mailbox. */
export type MessageId = string
/** A thread's id at its provider (Gmail threadId, Outlook conversationId); unique within a mailbox. */
export type ThreadId = string

/** The fields of a message that may be unreadable as the sender wrote them. */
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

/** One person or list on a mail; `name` is empty where the header has no name, `address` where it has no address. */
export type Address = z.infer<typeof addressSchema>

/**
 * A cached message. `date` is when the provider received it, in ms since 1970. `snippet` is plain text; with `isPart` it is only the
 * beginning of the text. `unreadable` names fields that could not be read in full.
 */
export type Message = z.infer<typeof messageSchema>

/** Parses a cached message. Returns `undefined` for an older format or a foreign value, which counts as not cached. */
export function parseMessage(text: string): Message | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
