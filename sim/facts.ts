import { createHash } from 'node:crypto'
import { mailDateMs } from './date.ts'
import { type Header, readHead } from './header.ts'
import { readEnglish } from './label-languages.ts'

/**
 * The stored facts of a mail: when it was received (ms since 1970), its labels, and the keys that determine
 * its thread.
 */
export interface MailFacts {
  receivedAtMs: number
  /** Gmail's system label ids, or names of user labels. */
  labels: readonly string[]
  /** Mails with the same `thread` belong together regardless of their references. */
  thread: string | undefined
  messageId: string | undefined
  /** The message ids it answers, nearest first. */
  references: readonly string[]
}

// Some mail is unread, always the same.
const UNREAD_EVERY = 5
const UNREAD: readonly string[] = ['INBOX', 'UNREAD']
const READ: readonly string[] = ['INBOX']
const FIRST_RECEIVED_MS = Date.UTC(2000, 0, 1)
const FALLBACK_STEP_MS = 1000
const KEY_CHARACTERS = 12

/**
 * Creates a reader of facts, mail by mail in delivery order. The time is `envelopeMs`, else the newest
 * Received header's, else the Date header's, else a second after the previous mail. Labels are the result of
 * `labelsOf` for the first `X-Gmail-Labels` header, because a mail can contain more of them. Never throws for
 * any bytes.
 */
export function factsReader(
  labelsOf: (value: string) => readonly string[] = readEnglish,
): (bytes: Buffer, envelopeMs?: number | undefined) => MailFacts {
  let count = 0
  let previousMs = FIRST_RECEIVED_MS - FALLBACK_STEP_MS

  return (bytes, envelopeMs) => {
    const { headers } = readHead(bytes.toString('latin1'))
    const labels = headerValue(headers, 'x-gmail-labels')
    const thread = headerValue(headers, 'x-gm-thrid')
    const facts: MailFacts = {
      receivedAtMs: envelopeMs ?? receivedMs(headers) ?? previousMs + FALLBACK_STEP_MS,
      labels: labels === undefined ? (count % UNREAD_EVERY === 0 ? UNREAD : READ) : labelsOf(labels),
      thread: thread ? keyOf(`thread ${thread}`) : undefined,
      messageId: idsIn(headerValue(headers, 'message-id'))[0],
      references: [
        ...idsIn(headerValue(headers, 'in-reply-to')),
        ...idsIn(headerValue(headers, 'references')).reverse(),
      ],
    }
    count += 1
    previousMs = facts.receivedAtMs
    return facts
  }
}

function headerValue(headers: readonly Header[], name: string): string | undefined {
  return headers.find(header => header.name.toLowerCase() === name)?.value
}

function receivedMs(headers: readonly Header[]): number | undefined {
  // Each server puts its Received header on top, so the first is the last hop. Its date follows the last
  // semicolon.
  const received = headers.filter(header => header.name.toLowerCase() === 'received')
  const dates = received.map(header => header.value.slice(header.value.lastIndexOf(';') + 1))
  for (const date of [...dates, headerValue(headers, 'date') ?? '']) {
    const ms = mailDateMs(date)
    if (ms !== undefined) return ms
  }
  return undefined
}

function idsIn(value: string | undefined): string[] {
  return [...(value ?? '').matchAll(/<([^<>\s]+)>/g)].map(match => keyOf(match[1] ?? ''))
}

// A digest instead of the text: a slice of a header would keep the whole header block in memory.
function keyOf(text: string): string {
  return createHash('sha1').update(text).digest('base64url').slice(0, KEY_CHARACTERS)
}
