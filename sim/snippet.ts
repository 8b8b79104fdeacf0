import { decode, encode } from 'html-entities'
import type { Part } from './mime.ts'

const SNIPPET_CHARACTERS = 200
// A snippet needs only the beginning; the rest may be megabytes.
const READ_CHARACTERS = 50_000

/**
 * Returns about the first 200 characters of a mail's text, on one line and HTML-escaped, as Gmail does; empty
 * without text.
 */
export function snippetOf(root: Part): string {
  return encode(lineOf(root, SNIPPET_CHARACTERS)).replaceAll('&apos;', '&#39;')
}

/** Returns this many first characters of a mail's text, on one line; empty without text. */
export function lineOf(root: Part, characters: number): string {
  const texts = leavesOf(root).filter(part => part.filename === '')
  for (const mimeType of ['text/plain', 'text/html']) {
    for (const part of texts) {
      if (part.mimeType !== mimeType) continue
      const content = part.content().toString('utf8').slice(0, READ_CHARACTERS)
      const line = shorten(mimeType === 'text/html' ? plainText(content) : content, characters)
      if (line !== '') return line
    }
  }
  return ''
}

/** Returns the parts of a mail without subparts. */
export function leavesOf(part: Part): Part[] {
  return part.parts.length > 0 ? part.parts.flatMap(leavesOf) : [part]
}

/** Returns the visible text of an HTML page. */
export function plainText(html: string): string {
  return decode(withoutHidden(html).replace(/<[^<>]*>/g, ' '))
}

// A hidden block without an end is shown. The end of each kind is searched only once if it is missing.
function withoutHidden(html: string): string {
  const endless = new Set<string>()
  let visible = ''
  let at = 0
  for (const { 0: opening, 1: name = '', index } of html.matchAll(/<(?:!--|(head|style|script|title)\b)/gi)) {
    const kind = name.toLowerCase()
    if (index < at || endless.has(kind)) continue
    const closing = name === '' ? /-->/g : new RegExp(`</${name}\\s*>`, 'gi')
    closing.lastIndex = index + opening.length
    if (closing.test(html)) {
      visible += `${html.slice(at, index)} `
      at = closing.lastIndex
    } else endless.add(kind)
  }
  return visible + html.slice(at)
}

function shorten(text: string, most: number): string {
  const line = text.replace(/[\s\0]+/g, ' ').trim()
  const characters = Array.from(line.slice(0, 2 * most))
  return characters.slice(0, most).join('').trim()
}
