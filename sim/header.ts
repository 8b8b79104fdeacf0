import { isUtf8 } from 'node:buffer'
import { textOf } from './charset.ts'
import { decodeAddresses, decodeWords } from './words.ts'

/** A header as Gmail returns it: the name as written, the value unfolded and decoded. */
export interface Header {
  name: string
  value: string
}

/** The headers of a mail or a part in order, and the start of its body. */
export interface Head {
  headers: Header[]
  bodyAt: number
}

const HEADER_LINE = /^([!-9;-~]+)[ \t]*:/
const ADDRESSES = /^(?:resent-)?(?:from|to|cc|bcc|sender|reply-to)$/i
// The charset of a mail, or of its first part.
const CHARSET = /charset\s*=\s*"?([\w.:-]{1,60})/i
const CHARSET_WITHIN = 20_000

/**
 * Reads the headers of a mail given as one character a byte (latin1). Never throws. Lines that are not
 * headers are skipped. A mail without headers is all body; without a blank line, the body starts after the
 * last header.
 */
export function readHead(text: string): Head {
  const newline = text.includes('\n') ? '\n' : '\r'
  const fields: string[] = []
  // The start of the lines after the last header: the body, if no blank line follows.
  let strayAt: number | undefined
  let at = 0
  while (at < text.length) {
    const end = text.indexOf(newline, at)
    const next = end < 0 ? text.length : end + 1
    const line = text.slice(at, end < 0 ? text.length : end).replace(/\r$/, '')
    if (line === '') return { headers: decodeAll(fields, text), bodyAt: strayAt ?? next }
    if (HEADER_LINE.test(line)) {
      fields.push(line)
      strayAt = undefined
    } else if (/^[ \t]/.test(line) && fields.length > 0 && strayAt === undefined) {
      fields.push(`${fields.pop()}${line}`)
    } else {
      strayAt ??= at
    }
    at = next
  }
  return { headers: decodeAll(fields, text), bodyAt: strayAt ?? text.length }
}

function decodeAll(fields: readonly string[], mail: string): Header[] {
  const charset = CHARSET.exec(mail.slice(0, CHARSET_WITHIN))?.[1]
  return fields.map(field => decode(field, charset))
}

function decode(field: string, charset: string | undefined): Header {
  const colon = field.indexOf(':')
  const name = field.slice(0, colon).trimEnd()
  const value = rawText(Buffer.from(field.slice(colon + 1), 'latin1'), charset)
  return { name, value: (ADDRESSES.test(name) ? decodeAddresses(value) : decodeWords(value)).trim() }
}

// Raw header bytes are UTF-8 (RFC 6532), else in the charset of the mail, if it has one.
function rawText(bytes: Buffer, charset: string | undefined): string {
  if (bytes.includes('\x1b$')) return textOf(bytes, 'iso-2022-jp')
  return isUtf8(bytes) ? bytes.toString('utf8') : textOf(bytes, charset)
}
