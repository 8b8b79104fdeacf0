import { composeMail } from '../../sim/compose.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from '../../sim/mailbox.ts'

const MAILS_PER_THREAD = 4
const REPLIES = 0.6
const HOUR_MS = 3_600_000

/** A growing conversation: its subject and its Message-IDs so far. */
interface Conversation {
  subject: string
  ids: string[]
}

/** Endless conversations in several mailboxes. */
export interface Conversations {
  /** Creates a mailbox with `size` mails, one per hour until now. */
  mailbox(address: string, size: number): SimMailbox
  /** Returns the next mail of a mailbox: a reply or a new conversation. */
  next(address: string): NewMail & { raw: Buffer | string }
}

/** Creates an empty set of conversations; `random` determines their mails. */
export function openConversations(random: () => number, nowMs: number): Conversations {
  const conversations = new Map<string, Conversation[]>()
  let written = 0

  const write = (address: string, index: number, atMs: number): NewMail => {
    const known = conversations.get(address) ?? []
    conversations.set(address, known)
    const conversation = known[index] ?? { subject: `Topic ${known.length + 1}`, ids: [] }
    if (index >= known.length) known.push(conversation)
    written += 1
    const id = `<chaos-${written}@example.net>`
    const raw = composeMail({
      from: 'Eve <eve@example.net>',
      to: [address],
      subject: conversation.ids.length === 0 ? conversation.subject : `Re: ${conversation.subject}`,
      atMs,
      id,
      references: conversation.ids.slice(-10),
      text: `Mail ${written}.`,
    })
    conversation.ids.push(id)
    return { raw, receivedAtMs: atMs, labels: ['INBOX', 'UNREAD'] }
  }

  return {
    mailbox(address, size) {
      const threads = Math.ceil(size / MAILS_PER_THREAD)
      const mails = Array.from({ length: size }, (_, index) =>
        write(address, index % threads, nowMs - (size - index) * HOUR_MS),
      )
      return memoryMailbox(address, mails)
    },
    next(address) {
      const known = conversations.get(address)?.length ?? 0
      return write(address, random() < REPLIES ? Math.floor(random() * known) : known, Date.now())
    },
  }
}
