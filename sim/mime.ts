import { type Header, readHead, textOf } from './header.ts'
import { type HeaderValue, parseHeaderValue } from './header-value.ts'

/** A part of a mail, or the mail itself; a part that holds parts has no content of its own. */
export interface Part {
  /** Lower case. */
  mimeType: string
  /** Empty where the part names none. */
  filename: string
  headers: Header[]
  parts: Part[]
  /** The content with its transfer encoding undone; text is in UTF-8. */
  content(): Buffer
}

const MAX_DEPTH = 30

/** Reads the tree of a mail given as one character a byte (latin1). Never throws: what is no valid multipart is taken as text. */
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
  const shownType = mimeType.startsWith('multipart/') && parts.length === 0 ? 'text/plain' : mimeType
  return {
    mimeType: shownType,
    filename: disposition.params.get('filename') ?? type.params.get('name') ?? '',
    headers,
    parts,
    content() {
      const bytes = decodeTransfer(body, encoding)
      return shownType.startsWith('text/') ? toUtf8(bytes, type.params.get('charset')) : bytes
    },
  }
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
  if (!part.mimeType.startsWith('multipart/') || !part.boundary) return []
  const presetType = part.mimeType === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  return splitAt(body, `--${part.boundary}`).map(text => parsePart(text, presetType, part.depth + 1))
}

function splitAt(body: string, delimiter: string): string[] {
  const parts: string[] = []
  let startAt: number | undefined
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && !/[\r\n]/.test(body.charAt(at - 1))) continue
    const ending = /^(--)?[ \t]*(\r\n|\n|\r|$)/.exec(body.slice(at + delimiter.length, at + delimiter.length + 80))
    // A longer boundary that begins like this one: a part inside a part.
    if (!ending) continue
    if (startAt !== undefined) parts.push(body.slice(startAt, at).replace(/\r?\n$|\r$/, ''))
    startAt = at + delimiter.length + ending[0].length
    if (ending[1]) return parts
  }
  if (startAt !== undefined && startAt < body.length) parts.push(body.slice(startAt))
  return parts
}

function decodeTransfer(body: string, encoding: string): Buffer {
  if (encoding === 'base64') return Buffer.from(body, 'base64')
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'latin1')
  const joined = body.replace(/=[ \t]*\r?\n/g, '')
  const decoded = joined.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(decoded, 'latin1')
}

function toUtf8(bytes: Buffer, charset: string | undefined): Buffer {
  if (charset !== undefined) {
    try {
      return Buffer.from(new TextDecoder(charset).decode(bytes))
    } catch {
      // An unknown charset: judged by its bytes instead.
    }
  }
  return Buffer.from(textOf(bytes))
}
