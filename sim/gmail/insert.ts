import { mailDateMs } from '../date.ts'
import { readHead } from '../header.ts'
import type { Account } from './account.ts'
import type { Call } from './call.ts'
import { renderLabelled } from './changes.ts'
import type { Entry } from './entry.ts'
import { invalid, refused } from './error.ts'
import { bodyFields, oneOf, stringIn, stringsIn } from './parameters.ts'

/** A mail uploaded beside, or instead of, its JSON. */
export interface Upload {
  media: Buffer
  fields: unknown
}

const FIELDS = ['id', 'threadId', 'labelIds', 'raw', 'snippet', 'historyId', 'internalDate', 'sizeEstimate', 'payload']

/** Inserts a mail with its labels, received now unless its Date header is to count. */
export function insertMessage(call: Call) {
  const dateFrom = oneOf(call.query, 'internalDateSource', ['receivedtime', 'dateheader'])
  return renderLabelled(put(call, dateFrom))
}

/** Imports a mail from elsewhere: its Date header counts, unless it is to be received now. */
export function importMessage(call: Call) {
  const dateFrom = oneOf(call.query, 'internalDateSource', ['dateheader', 'receivedtime'])
  return renderLabelled(put(call, dateFrom))
}

/**
 * Sends a mail: a copy goes to SENT, and each simulated mailbox among its recipients gets it in its inbox.
 */
export function sendMessage(call: Call, accounts: ReadonlyMap<string, Account>) {
  const { raw, threadId } = mailIn(call)
  const recipients = recipientsOf(raw)
  if (recipients.length === 0) throw refused('Recipient address required')
  const receivedAtMs = call.nowMs
  const sent = call.account.deliver({ raw, labels: ['SENT'], receivedAtMs }, { threadId })
  for (const address of recipients) accounts.get(address)?.deliver({ raw, labels: ['INBOX', 'UNREAD'], receivedAtMs })
  return renderLabelled(sent)
}

function put(call: Call, dateFrom: 'receivedtime' | 'dateheader'): Entry {
  const { raw, labelIds, threadId } = mailIn(call)
  for (const label of labelIds) if (!call.account.labels.find(label)) throw refused(`Invalid label: ${label}`)
  const receivedAtMs = (dateFrom === 'dateheader' ? headerDateMs(raw) : undefined) ?? call.nowMs
  return call.account.deliver({ raw, labels: labelIds, receivedAtMs }, { threadId })
}

function mailIn({ account, body }: Call) {
  const { media, fields: json } = isUpload(body) ? body : { media: undefined, fields: body }
  const fields = bodyFields(json, FIELDS)
  const raw = media ?? decode(stringIn(fields, 'raw'))
  const threadId = stringIn(fields, 'threadId')
  if (raw.length === 0)
    throw refused("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
  if (threadId !== undefined && account.thread(threadId).length === 0) throw refused('Invalid thread_id value')
  return { raw, labelIds: stringsIn(fields, 'labelIds'), threadId }
}

function isUpload(body: unknown): body is Upload {
  return typeof body === 'object' && body !== null && 'media' in body && Buffer.isBuffer(body.media)
}

// Accepts both alphabets of base64, with or without padding.
function decode(raw: string | undefined): Buffer {
  if (raw === undefined) return Buffer.alloc(0)
  if (!/^[\w+/-]*={0,2}$/.test(raw.replace(/\s/g, '')))
    throw invalid(
      `Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed for "${raw.slice(0, 40)}"`,
      'raw',
    )
  return Buffer.from(raw, 'base64url')
}

function headerDateMs(raw: Buffer): number | undefined {
  const { headers } = readHead(raw.toString('latin1'))
  return mailDateMs(headers.find(({ name }) => name.toLowerCase() === 'date')?.value ?? '')
}

function recipientsOf(raw: Buffer): string[] {
  const { headers } = readHead(raw.toString('latin1'))
  const addressed = headers.filter(({ name }) => ['to', 'cc', 'bcc'].includes(name.toLowerCase()))
  const found = addressed.flatMap(({ value }) => value.match(/(?<![^\s<>,;:"])[^\s<>,;:"]+@[^\s<>,;:"]+/g) ?? [])
  return [...new Set(found.map(address => address.toLowerCase()))]
}
