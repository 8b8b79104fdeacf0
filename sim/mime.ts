import { textOf } from './charset.ts'
import { type Header, readHead } from './header.ts'
import { type HeaderValue, parseHeaderValue } from './header-value.ts'

/** A part of a mail, or the mail itself. A part with subparts has no content of its own. */
export interface Part {
  /** In lower case. */
  mimeType: string
  /** Empty if the part names none. */
  filename: string
  headers: Header[]
  parts: Part[]
  /** Returns the content with its transfer encoding removed; text is in UTF-8. */
  content(): Buffer
  /** Returns the same, but text in the charset that the sender chose. */
  bytes(): Buffer
}

const MAX_DEPTH = 30
const META_CHARSET = /<meta[^>]{1,200}charset\s*=\s*["']?([\w.:-]{1,60})/i
// A line that opens a part, and a header of that part. It splits a multipart without its own boundary.
const PART_LINE = /^--([^\r\n]{1,200}?)[ \t]{0,9}\r?\n(?:content-[a-z-]{1,40})[ \t]*:/im
// The same, with a boundary that was folded like a header.
const PART_WITHIN = /^--[^\r\n]{0,200}\r?\n(?:[^\r\n]{1,200}\r?\n){0,2}content-[a-z-]{1,40}[ \t]*:/im
const BASE64_LINE = /^[A-Za-z0-9+/]+={0,2}$/
const UNKNOWN = 'application/octet-stream'
const TRANSFERS = new Set(['', '7bit', '8bit', 'binary', 'base64', 'quoted-printable'])

/**
 * Parses the tree of a mail given as one character a byte (latin1). Never throws: an invalid multipart is
 * treated as text.
 */
export function parseMime(text: string): Part {
  return parsePart(text, 'text/plain', 0)
}

function parsePart(text: string, presetType: string, depth: number): Part {
  const { headers, bodyAt } = readHead(text)
  const body = text.slice(bodyAt)
  const type = structured(headers, 'content-type')
  const disposition = structured(headers, 'content-disposition')
  const mimeType = /^[\w.+-]+\/[\w.+-]+$/.test(type.value) ? type.value : presetType
  const encoding = structured(headers, 'content-transfer-encoding').value
  const parts = partsOf(body, { mimeType, encoding, boundary: type.params.get('boundary'), depth })
  const shownType = typeShown(mimeType, { parts, encoding, body })
  return {
    mimeType: shownType,
    filename: disposition.params.get('filename') ?? type.params.get('name') ?? '',
    headers,
    parts,
    bytes: () => decodeTransfer(body, encoding),
    content() {
      const bytes = decodeTransfer(body, encoding)
      return shownType.startsWith('text/') ? toUtf8(bytes, type.params.get('charset')) : bytes
    },
  }
}

// RFC 2045 section 6.4: content in an unknown encoding is not text. An unsplittable multipart is text, unless
// it visibly contains parts.
function typeShown(
  mimeType: string,
  { parts, encoding, body }: { parts: Part[]; encoding: string; body: string },
): string {
  if (mimeType.startsWith('multipart/') && parts.length === 0) return PART_WITHIN.test(body) ? UNKNOWN : 'text/plain'
  return mimeType.startsWith('text/') && !TRANSFERS.has(encoding) ? UNKNOWN : mimeType
}

function structured(headers: readonly Header[], name: string): HeaderValue {
  return parseHeaderValue(headers.find(header => header.name.toLowerCase() === name)?.value ?? '')
}

interface Container {
  mimeType: string
  encoding: string
  boundary: string | undefined
  depth: number
}

function partsOf(body: string, part: Container): Part[] {
  if (part.depth >= MAX_DEPTH) return []
  if (part.mimeType === 'message/rfc822') {
    return [parsePart(decodeTransfer(body, part.encoding).toString('latin1'), 'text/plain', part.depth + 1)]
  }
  if (!part.mimeType.startsWith('multipart/')) return []
  const presetType = part.mimeType === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  const named = part.boundary ? splitAt(body, `--${part.boundary}`) : []
  // The body reveals a missing or wrong boundary.
  const shown = named.length > 0 ? undefined : PART_LINE.exec(body)?.[1]
  const texts = shown === undefined ? named : splitAt(body, `--${shown}`)
  return texts.map(text => parsePart(text, presetType, part.depth + 1))
}

function splitAt(body: string, delimiter: string): string[] {
  const parts: string[] = []
  let startAt: number | undefined
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && !/[\r\n]/.test(body.charAt(at - 1))) continue
    const ending = /^(--)?[ \t]*(\r\n|\n|\r|$)/.exec(body.slice(at + delimiter.length, at + delimiter.length + 80))
    // A longer boundary with the same beginning: a part inside a part.
    if (!ending) continue
    if (startAt !== undefined) parts.push(body.slice(startAt, at).replace(/\r?\n$|\r$/, ''))
    startAt = at + delimiter.length + ending[0].length
    if (ending[1]) return parts
  }
  if (startAt !== undefined && startAt < body.length) parts.push(body.slice(startAt))
  return parts
}

function decodeTransfer(body: string, encoding: string): Buffer {
  if (encoding === 'base64') return fromBase64(body)
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'latin1')
  const joined = body.replace(/=[ \t]*\r?\n/g, '')
  const decoded = joined.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(decoded, 'latin1')
}

// Lists add a footer in plain text, and some programs mislabel content as base64: only base64 is decoded.
function fromBase64(body: string): Buffer {
  const lines = body.split(/\r\n|\n|\r/).map(line => line.trim())
  const other = lines.findIndex(line => line !== '' && !BASE64_LINE.test(line))
  if (other < 0) return Buffer.from(body, 'base64')
  const encoded = lines.slice(0, other).join('')
  return encoded === '' ? Buffer.from(body, 'latin1') : Buffer.from(encoded, 'base64')
}

function toUtf8(bytes: Buffer, charset: string | undefined): Buffer {
  const name =
    charset ?? (bytes.includes('\x1b$') ? 'iso-2022-jp' : META_CHARSET.exec(bytes.toString('latin1', 0, 1024))?.[1])
  return Buffer.from(textOf(bytes, name))
}
