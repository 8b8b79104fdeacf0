import { isUtf8 } from 'node:buffer'
import { decodeWords } from 'postal-mime'

/** A header as Gmail returns it: the name as written, the value unfolded and decoded. */
export interface Header {
  name: string
  value: string
}

/** The headers of a mail or a part in their order, and where its body begins. */
export interface Head {
  headers: Header[]
  bodyAt: number
}

const HEADER_LINE = /^([!-9;-~]+)[ \t]*:/

/**
 * Reads the headers of a mail given as one character a byte (latin1). Never throws: lines that are no headers are passed over, a
 * mail without headers is all body, and one without a blank line has its body after its last header.
 */
export function readHead(text: string): Head {
  const newline = text.includes('\n') ? '\n' : '\r'
  const fields: string[] = []
  // Where the lines after the last header begin: the body, should no blank line follow.
  let strayAt: number | undefined
  let at = 0
  while (at < text.length) {
    const end = text.indexOf(newline, at)
    const next = end < 0 ? text.length : end + 1
    const line = text.slice(at, end < 0 ? text.length : end).replace(/\r$/, '')
    if (line === '') return { headers: fields.map(decode), bodyAt: strayAt ?? next }
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
  return { headers: fields.map(decode), bodyAt: strayAt ?? text.length }
}

/** Bytes as text: UTF-8 where they are valid UTF-8, else latin1. */
export function textOf(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1')
}

function decode(field: string): Header {
  const colon = field.indexOf(':')
  const value = textOf(Buffer.from(field.slice(colon + 1), 'latin1'))
  return { name: field.slice(0, colon).trimEnd(), value: decodeWords(value).trim() }
}
