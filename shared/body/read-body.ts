import type { Body, Invite } from '../message.ts'
import { cutText } from '../text.ts'
import { type Decoded, type DecodeRare, decodeText } from './decode.ts'
import { enrichedText } from './enriched.ts'
import { compareForms } from './forms.ts'
import type { HtmlText, HtmlToText } from './html-text.ts'
import type { Leaf, Piece, Walked } from './parts.ts'
import { tidyText, unwrapFlowed } from './tidy.ts'

/** How texts are read: HTML and rare charsets are read elsewhere, because both take libraries. */
export interface TextReading {
  htmlToText: HtmlToText
  decodeRare: DecodeRare
  /** Reads the events of calendars; never throws. */
  readInvites?: ((calendars: readonly string[]) => Promise<Invite[]>) | undefined
}

/** The text of a mail, and its invitations as the sender wrote them. */
export interface ReadText {
  body: Body
  calendars: string[]
}

/** The most characters of a text that are kept; a task holds less. */
export const MOST_CHARACTERS = 200_000
/** The most bytes of one text part that are read. */
export const MOST_PART_BYTES = 1_050_000
// How many times as long as the kept text its source may be.
const LONGEST_PLAIN = 2
const LONGEST_PAGE = 6
const MOST_PAGES = 10
const UNCOMPARED = 'only the plain form was read in full'
const DIFFERENT = 'the plain form says something else; this is the page'
const BASE64_BYTES = 3
const BASE64_CHARACTERS = 4
const LONGEST_CHARSET = 60
const PAGE = /^\s*<(?:!doctype html|html|head|body|meta|table|div|p)\b[^<>]*>/i
const PAGE_WITHIN = 1000

/** A text as far as it was read, with what made it so. */
interface Read extends Omit<Body, 'kind'> {
  isHtml: boolean
}

const EMPTY: Read = { text: '', isHtml: false }

/**
 * Reads the text of a mail from its parts. Of two forms, the plain one is taken if the page says the same in substance, else the page, which
 * is what people see; `note` says where they differ, or could not be compared. Parts whose content is missing are left out, and `note` says
 * so. Rejects only where `htmlToText` does.
 */
export async function readText(
  walked: Pick<Walked, 'pieces' | 'calendars' | 'isPart' | 'note'>,
  reading: TextReading,
): Promise<ReadText> {
  const read: Read[] = []
  const pages = pagesOf(reading.htmlToText)
  for (const piece of walked.pieces) read.push(await readPiece(piece, { ...reading, htmlToText: pages }))
  const whole = joined(read)
  const isCut = whole.text.length > MOST_CHARACTERS
  const isPart = isCut || walked.isPart || whole.isPart === true
  const { isHtml, isPart: _, note, text, ...about } = whole
  const why = walked.note ?? note ?? (isCut ? 'too long' : undefined)
  return {
    body: {
      text: isCut ? cutText(text, MOST_CHARACTERS) : text,
      kind: read.length === 0 ? 'none' : isHtml ? 'html' : 'plain',
      ...about,
      ...(isPart ? { isPart } : {}),
      ...(why === undefined ? {} : { note: why }),
    },
    calendars: walked.calendars.flatMap(leaf => {
      const decoded = decodeLeaf(leaf, reading.decodeRare)
      return decoded ? [decoded.text] : []
    }),
  }
}

/** Reads a text that its provider has decoded: a page, or plain text. Rejects only where `htmlToText` does. */
export async function readDecoded(content: string, isHtml: boolean, htmlToText: HtmlToText): Promise<Body> {
  const { text, hidden, isPart, note } = isHtml
    ? await htmlToText(content)
    : { text: content, hidden: 0, isPart: undefined, note: undefined }
  const tidy = tidyText(text)
  const isCut = tidy.length > MOST_CHARACTERS
  const why = note ?? (isCut ? 'too long' : undefined)
  return {
    text: isCut ? cutText(tidy, MOST_CHARACTERS) : tidy,
    kind: content === '' ? 'none' : isHtml ? 'html' : 'plain',
    decodedBy: 'provider',
    ...(hidden > 0 ? { hidden } : {}),
    ...(isPart || isCut ? { isPart: true as const } : {}),
    ...(why === undefined ? {} : { note: why }),
  }
}

// Each page costs another thread some time.
function pagesOf(htmlToText: HtmlToText): HtmlToText {
  let pages = 0
  return async html => {
    pages += 1
    return pages > MOST_PAGES ? { text: '', hidden: 0, isPart: true, note: 'too many pages' } : htmlToText(html)
  }
}

async function readPiece({ plain, html }: Piece, reading: TextReading): Promise<Read> {
  const simple = joined(await readLeaves(plain, reading))
  if (html.length === 0) return simple
  return chosenForm(simple, joined(await readLeaves(html, reading)))
}

// Readers' programs show the page. The plain form marks quotes better, and is taken as far as it says the same.
function chosenForm(simple: Read, page: Read): Read {
  if (simple.text === '') return page
  if (page.text === '') return page.isPart ? { ...simple, note: simple.note ?? UNCOMPARED } : simple
  const { plainAdds, pageAdds, isCut } = compareForms(simple.text, page.text)
  if (page.isPart && !pageAdds) return { ...simple, note: simple.note ?? UNCOMPARED }
  if (!plainAdds && !pageAdds && !isCut && !simple.isPart) return simple
  return plainAdds ? { ...page, differs: true, note: page.note ?? DIFFERENT } : page
}

async function readLeaves(leaves: readonly Leaf[], reading: TextReading): Promise<Read[]> {
  const read: Read[] = []
  for (const leaf of leaves) read.push(await readLeaf(leaf, reading))
  return read
}

async function readLeaf(leaf: Leaf, { htmlToText, decodeRare }: TextReading): Promise<Read> {
  if (/\/rtf$/.test(leaf.type)) return { ...EMPTY, isPart: true, note: 'a text in RTF is not read' }
  const decoded = decodeLeaf(leaf, decodeRare)
  if (!decoded) return missing(leaf)
  const isHtml = leaf.type === 'text/html' || isPage(decoded.text)
  // Each step takes time for every character, and little of a long text is kept.
  const text = decoded.text.slice(0, (isHtml ? LONGEST_PAGE : LONGEST_PLAIN) * MOST_CHARACTERS)
  const isCut = decoded.isCut || text.length < decoded.text.length
  const converted: Omit<HtmlText, 'hidden'> & { hidden?: number } = isHtml ? await htmlToText(text) : { text }
  const { hidden = 0, note } = converted
  return {
    text: tidyText(isHtml ? converted.text : asWritten(leaf, text)),
    isHtml,
    decodedBy: decoded.decodedBy,
    ...(leaf.charset ? { charset: leaf.charset.slice(0, LONGEST_CHARSET) } : {}),
    ...(hidden > 0 ? { hidden } : {}),
    ...(isCut || converted.isPart ? { isPart: true as const } : {}),
    ...(note !== undefined ? { note } : isCut ? { note: 'too large' } : {}),
  }
}

function missing({ type, size }: Leaf): Read {
  if (size === 0) return EMPTY
  const note = size > MOST_PART_BYTES ? 'too large' : 'a text was not fetched'
  return { ...EMPTY, isHtml: type === 'text/html', isPart: true, note }
}

// Some programs send a page as plain text.
function isPage(text: string): boolean {
  return PAGE.test(text.slice(0, PAGE_WITHIN)) && text.includes('</')
}

function asWritten({ type, isFlowed, delSp }: Leaf, text: string): string {
  if (/^text\/(?:enriched|richtext)$/.test(type)) return enrichedText(text, type === 'text/enriched')
  return isFlowed ? unwrapFlowed(text, delSp) : text
}

function decodeLeaf(leaf: Leaf, decodeRare: DecodeRare): (Decoded & { isCut: boolean }) | undefined {
  if (leaf.content === undefined) return undefined
  const most = (MOST_PART_BYTES / BASE64_BYTES) * BASE64_CHARACTERS
  const isCut = leaf.content.length > most
  const bytes = Buffer.from(leaf.content.slice(0, most), 'base64url')
  return { ...decodeText(bytes, { charset: leaf.charset, isHtml: leaf.type === 'text/html' }, decodeRare), isCut }
}

function joined(all: readonly Read[]): Read {
  const texts = all.filter(({ text }) => text !== '')
  const [first = all[0] ?? EMPTY] = texts
  const hidden = all.reduce((sum, one) => sum + (one.hidden ?? 0), 0)
  const note = all.find(one => one.note !== undefined)?.note
  const { charset, decodedBy } = first
  return {
    text: texts.map(({ text }) => text).join('\n\n'),
    isHtml: texts.length > 0 ? texts.some(({ isHtml }) => isHtml) : first.isHtml,
    ...(charset === undefined ? {} : { charset }),
    ...(decodedBy === undefined ? {} : { decodedBy }),
    ...(hidden > 0 ? { hidden } : {}),
    ...(all.some(({ differs }) => differs) ? { differs: true as const } : {}),
    ...(all.some(({ isPart }) => isPart) ? { isPart: true as const } : {}),
    ...(note === undefined ? {} : { note }),
  }
}
