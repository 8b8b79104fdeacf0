import { decode, encode } from 'html-entities'
import type { Part } from './mime.ts'

const SNIPPET_CHARACTERS = 200
// A snippet needs the beginning only; the rest may be megabytes.
const READ_CHARACTERS = 50_000

/** The first 200 characters or so of what a mail says, on one line and HTML-escaped, as Gmail gives it; empty where there is no text. */
export function snippetOf(root: Part): string {
  const texts = leavesOf(root).filter(part => part.filename === '')
  for (const mimeType of ['text/plain', 'text/html']) {
    for (const part of texts) {
      if (part.mimeType !== mimeType) continue
      const content = part.content().toString('utf8').slice(0, READ_CHARACTERS)
      const line = shorten(mimeType === 'text/html' ? plainText(content) : content)
      if (line !== '') return encode(line).replaceAll('&apos;', '&#39;')
    }
  }
  return ''
}

function leavesOf(part: Part): Part[] {
  return part.parts.length > 0 ? part.parts.flatMap(leavesOf) : [part]
}

function plainText(html: string): string {
  const visible = html
    .replace(/<!--[\s\S]*?-->/g, ' ')
    .replace(/<(head|style|script|title)\b[\s\S]*?<\/\1\s*>/gi, ' ')
    .replace(/<[^<>]*>/g, ' ')
  return decode(visible)
}

function shorten(text: string): string {
  const line = text.replace(/[\s\0]+/g, ' ').trim()
  const characters = Array.from(line.slice(0, 2 * SNIPPET_CHARACTERS))
  return characters.slice(0, SNIPPET_CHARACTERS).join('').trim()
}
