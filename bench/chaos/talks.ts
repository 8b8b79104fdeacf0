import { composeMail } from '../../sim/compose.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from '../../sim/mailbox.ts'

const MAILS_A_THREAD = 4
const REPLIES = 0.6
const HOUR_MS = 3_600_000

/** A conversation that goes on: its subject and the Message-IDs so far. */
interface Talk {
  subject: string
  ids: string[]
}

/** Conversations in several mailboxes, which go on for ever. */
export interface Talks {
  /** A mailbox that holds so many mails, one an hour until now. */
  mailbox(address: string, size: number): SimMailbox
  /** The next mail of a mailbox: an answer, or the beginning of something new. */
  next(address: string): NewMail & { raw: Buffer | string }
}

/** No conversations yet; what is written follows from `random`. */
export function openTalks(random: () => number, nowMs: number): Talks {
  const talks = new Map<string, Talk[]>()
  let written = 0

  const write = (address: string, index: number, atMs: number): NewMail => {
    const held = talks.get(address) ?? []
    talks.set(address, held)
    const talk = held[index] ?? { subject: `Topic ${held.length + 1}`, ids: [] }
    if (index >= held.length) held.push(talk)
    written += 1
    const id = `<chaos-${written}@example.net>`
    const raw = composeMail({
      from: 'Eve <eve@example.net>',
      to: [address],
      subject: talk.ids.length === 0 ? talk.subject : `Re: ${talk.subject}`,
      atMs,
      id,
      references: talk.ids.slice(-10),
      text: `Mail ${written}.`,
    })
    talk.ids.push(id)
    return { raw, receivedAtMs: atMs, labels: ['INBOX', 'UNREAD'] }
  }

  return {
    mailbox(address, size) {
      const threads = Math.ceil(size / MAILS_A_THREAD)
      const mails = Array.from({ length: size }, (_, index) =>
        write(address, index % threads, nowMs - (size - index) * HOUR_MS),
      )
      return memoryMailbox(address, mails)
    },
    next(address) {
      const held = talks.get(address)?.length ?? 0
      return write(address, random() < REPLIES ? Math.floor(random() * held) : held, Date.now())
    },
  }
}
