import type { Part } from '../mime.ts'
import type { Account } from './account.ts'
import type { Call } from './call.ts'
import { entryOf } from './changes.ts'
import type { Entry } from './entry.ts'
import { forbidden, notFound } from './error.ts'
import { oneOf } from './parameters.ts'
import type { Quirks } from './quirks.ts'

/** Renders a message in the requested format: full by default, metadata, minimal or raw. */
export function renderMessage(call: Call) {
  const entry = entryOf(call)
  const format = oneOf(call.query, 'format', ['full', 'metadata', 'minimal', 'raw'])
  checkScope(call, format)
  return render(entry, { ...call, format })
}

/**
 * Renders a thread in the requested format, oldest message first; throws a 404 if there is no such thread.
 */
export async function renderThread(call: Call) {
  const { account, query, quirks, id: threadId } = call
  const format = oneOf(query, 'format', ['full', 'metadata', 'minimal'])
  checkScope(call, format)
  const entries = account.thread(threadId)
  if (entries.length === 0) throw notFound()
  const historyId = String(Math.max(...entries.map(entry => entry.historyId)))
  return {
    id: threadId,
    historyId,
    messages: await Promise.all(entries.map(entry => render(entry, { account, query, quirks, format }))),
  }
}

/** Renders an attachment by the id in a message's part; throws a 404 if there is none. */
export async function renderAttachment({ account, quirks, id: attachmentId, messageId }: Call) {
  const entry = entryOf({ account, id: messageId })
  const { root } = await account.content(entry)
  const wanted = partsOf(root, '').find(({ partId }) => attachmentIdOf(entry, partId) === attachmentId)
  if (!wanted) throw notFound()
  const content = contentOf(wanted.part, quirks)
  return { size: content.length, data: base64url(content) }
}

type Format = 'full' | 'metadata' | 'minimal' | 'raw'

// Google refuses this even with another scope that allows it.
function checkScope({ scopes }: Call, format: Format): void {
  if (scopes.includes('metadata') && (format === 'full' || format === 'raw'))
    throw forbidden(`Metadata scope doesn't allow format ${format.toUpperCase()}`)
}

interface Wanted {
  account: Account
  query: URLSearchParams
  format: Format
  quirks: Quirks
}

async function render(entry: Entry, { account, query, format, quirks }: Wanted) {
  const { raw, root, snippet } = await account.content(entry)
  return {
    id: entry.id,
    threadId: entry.threadId,
    ...(entry.labelIds.length === 0 ? {} : { labelIds: entry.labelIds }),
    snippet,
    ...(format === 'full' ? { payload: fullPart(root, { entry, partId: '', quirks }) } : {}),
    ...(format === 'metadata' ? { payload: metadata(root, query.getAll('metadataHeaders')) } : {}),
    sizeEstimate: raw.length,
    ...(format === 'raw' ? { raw: base64url(raw) } : {}),
    historyId: String(entry.historyId),
    internalDate: String(entry.receivedAtMs),
  }
}

function metadata({ mimeType, headers }: Part, wantedNames: readonly string[]) {
  const names = new Set(wantedNames.map(name => name.toLowerCase()))
  const wanted = names.size === 0 ? headers : headers.filter(({ name }) => names.has(name.toLowerCase()))
  return { mimeType, ...(wanted.length === 0 ? {} : { headers: wanted }) }
}

interface Place {
  entry: Entry
  partId: string
  quirks: Quirks
}

function fullPart(part: Part, { entry, partId, quirks }: Place): object {
  const { mimeType, filename, headers, parts } = part
  return {
    partId,
    mimeType,
    filename,
    ...(headers.length === 0 ? {} : { headers }),
    body: body(part, { entry, partId, quirks }),
    ...(parts.length === 0
      ? {}
      : { parts: parts.map((child, index) => fullPart(child, { entry, partId: childId(partId, index), quirks })) }),
  }
}

function body(part: Part, { entry, partId, quirks }: Place) {
  if (part.mimeType.startsWith('multipart/')) return { size: 0 }
  const content = contentOf(part, quirks)
  const inline = part.filename === '' && part.mimeType.startsWith('text/')
  const isLarge = quirks.largeTextBytes > 0 && content.length > quirks.largeTextBytes
  if (!inline || isLarge) return { attachmentId: attachmentIdOf(entry, partId), size: content.length }
  return { size: content.length, ...(content.length === 0 ? {} : { data: base64url(content) }) }
}

function contentOf(part: Part, { keptCharsets }: Quirks): Buffer {
  return keptCharsets ? part.bytes() : part.content()
}

function partsOf(part: Part, partId: string): { part: Part; partId: string }[] {
  return [{ part, partId }, ...part.parts.flatMap((child, index) => partsOf(child, childId(partId, index)))]
}

function childId(partId: string, index: number): string {
  return partId === '' ? String(index) : `${partId}.${index}`
}

function attachmentIdOf(entry: Entry, partId: string): string {
  return Buffer.from(`${entry.id}/${partId}`).toString('base64url')
}

// Gmail pads its base64url; Node does not.
function base64url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
