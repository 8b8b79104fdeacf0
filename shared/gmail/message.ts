import { decode } from 'html-entities'
import { z } from 'zod'
import { decodeBytes } from '../http/charset.ts'
import { CLASS_HEADERS, classFields } from '../mail/mail-class.ts'
import { dateIn, receivedAt, writtenParts } from '../mail/read-message.ts'
import { readHeader, readSnippet } from '../mail/words.ts'
import type { Message } from '../message.ts'
import { cleanText } from '../text.ts'
import { readAddresses, readAuthor } from './addresses.ts'

/** The requested headers. They keep an answer at a few hundred bytes instead of some kilobytes. */
export const WANTED_HEADERS = [
  'From',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  ...CLASS_HEADERS,
  'Content-Language',
]

const header = z.object({ name: z.string(), value: z.string().catch('') })
type Header = z.infer<typeof header>

const resource = z.object({
  id: z.string().min(1),
  threadId: z.string().min(1),
  labelIds: z.array(z.string()).catch([]),
  snippet: z.string().catch(''),
  internalDate: z.coerce.number().int().min(0).max(8.64e15).optional().catch(undefined),
  payload: z.object({ headers: z.array(z.unknown()).catch([]) }).catch({ headers: [] }),
})

// Google does not document the length of a snippet. About two hundred characters were seen, cut at a word.
const CUT_SNIPPET = 160

/**
 * Reads a Gmail message resource; returns `undefined` if it has no id or thread. Everything else is optional:
 * absent headers are empty. The date is when Google received the message, else its `Date` header, else
 * `readAt` (ms since 1970), else 0.
 */
export function readMessage(body: unknown, readAt?: number): Message | undefined {
  const { success, data } = resource.safeParse(body)
  if (!success) return undefined
  const headers = data.payload.headers.flatMap(one => header.safeParse(one).data ?? [])
  const snippet = decode(data.snippet)
  const from = readAuthor(valuesOf(headers, 'from'))
  return {
    id: data.id,
    thread: data.threadId,
    labels: data.labelIds.map(cleanText),
    date: receivedAt([data.internalDate, ...valuesOf(headers, 'date').map(dateIn)], readAt) ?? 0,
    ...writtenParts({
      subject: readHeader(valuesOf(headers, 'subject')[0] ?? '', decodeBytes),
      from,
      to: readAddresses(valuesOf(headers, 'to')),
      cc: readAddresses(valuesOf(headers, 'cc')),
      snippet: readSnippet(snippet),
    }),
    ...classFields(headers, from.people),
    ...(snippet.length < CUT_SNIPPET ? {} : { isPart: true as const }),
  }
}

function valuesOf(headers: readonly Header[], name: string): string[] {
  return headers.filter(one => one.name.toLowerCase() === name && one.value.trim() !== '').map(one => one.value)
}
