import { decode } from 'html-entities'
import { addressParser, decodeWords } from 'postal-mime'
import { z } from 'zod'
import type { Address, Message } from '../message.ts'

/** The headers that are asked for, so that an answer is a few hundred bytes and not some kilobytes. */
export const WANTED_HEADERS = [
  'From',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  'List-Id',
] as const

const header = z.object({ name: z.string(), value: z.string().catch('') })
type Header = z.infer<typeof header>

const resource = z.object({
  id: z.string().min(1),
  threadId: z.string().min(1),
  labelIds: z.array(z.string()).catch([]),
  snippet: z.string().catch(''),
  internalDate: z.coerce.number().int().min(0).max(8.64e15).catch(0),
  payload: z.object({ headers: z.array(z.unknown()).catch([]) }).catch({ headers: [] }),
})

/**
 * Reads a Gmail message resource; `undefined` where it has no id and thread, for then it is none. Everything else may be missing:
 * absent headers are empty, a date that is none is 0.
 */
export function readMessage(body: unknown): Message | undefined {
  const { success, data } = resource.safeParse(body)
  if (!success) return undefined
  const headers = data.payload.headers.flatMap(one => header.safeParse(one).data ?? [])
  return {
    id: data.id,
    thread: data.threadId,
    labels: data.labelIds,
    date: data.internalDate,
    subject: folded(decodeWords(valuesOf(headers, 'subject')[0] ?? '')),
    from: addressesOf(headers, 'from'),
    to: addressesOf(headers, 'to'),
    cc: addressesOf(headers, 'cc'),
    snippet: plainSnippet(data.snippet),
  }
}

// Newsletters pad their preview with characters of no width. Two of them join letters and emoji, and stay where they do.
const NO_WIDTH =
  /\u034F|[\u00AD\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u2060-\u2064\u206A-\u206F\uFEFF]/gu
const JOINERS_THAT_JOIN_NOTHING = /[\u200C\u200D]{2,}|(?<=^|\s)[\u200C\u200D]|[\u200C\u200D](?=\s|$)/gu

function plainSnippet(html: string): string {
  return folded(decode(html).replace(NO_WIDTH, '').replace(JOINERS_THAT_JOIN_NOTHING, ''))
}

function addressesOf(headers: readonly Header[], name: string): Address[] {
  const people = addressParser(valuesOf(headers, name).join(', '), { flatten: true })
  return people
    .map(person => ({ name: folded(decodeWords(person.name)), address: (person.address ?? '').trim() }))
    .filter(person => person.name !== '' || person.address !== '')
}

function valuesOf(headers: readonly Header[], name: string): string[] {
  return headers.filter(one => one.name.toLowerCase() === name && one.value.trim() !== '').map(one => one.value)
}

function folded(text: string): string {
  return text.replace(/\s+/gu, ' ').trim()
}
