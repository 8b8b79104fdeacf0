import { withoutInvisible } from './invisible.ts'

// A lone surrogate is no character.
const HALVES = /\p{Surrogate}/gu
const BREAKS = /[\t\n\v\f\r\u0085]/g
const CONTROLS = /\p{Cc}/gu
const LINE_BREAKS = /\r\n?|[\v\f\u0085]/g
const CONTROLS_IN_LINES = /(?![\t\n])\p{Cc}/gu
const UNFIT_IN_LINES = /(?![\t\n])[\p{Cc}\p{Surrogate}]/u
const UNFIT = /[\p{Cc}\p{Surrogate}]/u
// JSON escapes, and controls that JSON does not escape. JSON does not escape paired surrogates.
const ESCAPED = /\\(u[\da-f]{4}|.)|[\u007f-\u009f]/g
const ESCAPED_OR_CONTROL = /\\[^"\\/]|[\u007f-\u009f]/
// The longest emoji in use have about 35 code units; longer ones are artificial.
const LONGEST_GRAPHEME = 64

/**
 * Cleans a text so that every reader accepts it: removes lone surrogates, control characters (C0, DEL and C1) and what
 * `withoutInvisible` does, and turns line breaks into blanks. Python, Postgres and Rust refuse the rest.
 */
export function cleanText(text: string): string {
  const clean = UNFIT.test(text) ? text.replace(HALVES, '').replace(BREAKS, ' ').replace(CONTROLS, '') : text
  return withoutInvisible(clean)
}

/** Cleans a text of several lines as `cleanText` does, but keeps tabs, and line breaks as line feeds. */
export function cleanLines(text: string): string {
  if (!UNFIT_IN_LINES.test(text)) return withoutInvisible(text)
  return withoutInvisible(text.replace(HALVES, '').replace(LINE_BREAKS, '\n').replace(CONTROLS_IN_LINES, ''))
}

/** Returns clean text on one line, with one blank for each run of white space and none at either end. */
export function oneLine(text: string | null | undefined): string {
  return cleanText(text ?? '')
    .replace(/\s+/gu, ' ')
    .trim()
}

/**
 * Cuts a text to at most `most` UTF-16 code units. No character is split, nor a composed one such as a flag or an emoji with a skin tone,
 * unless it has more than 64 code units.
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text
  const end = Math.max(0, Math.floor(most))
  const from = Math.max(0, end - LONGEST_GRAPHEME)
  const start = isInPair(text, from) ? from - 1 : from
  // Created here because the first one takes a process 20 ms, and most never cut a text; later ones take a hundredth of that.
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  const last = graphemes.segment(text.slice(start, end + LONGEST_GRAPHEME)).containing(end - start)
  // A grapheme that starts before the inspected part is longer than any real one.
  const isMeant = last && last.segment.length < LONGEST_GRAPHEME && (last.index > 0 || start === 0)
  if (isMeant) return text.slice(0, start + last.index)
  return text.slice(0, isInPair(text, end) ? end - 1 : end)
}

/** Returns a copy of a value in which every text is clean, field names included. */
export function cleaned<T>(value: T): T {
  if (typeof value === 'string') return cleanText(value) as T
  if (Array.isArray(value)) return value.map(cleaned) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [cleanText(name), cleaned(field)])) as T
}

/**
 * Cleans every text in JSON that `JSON.stringify` wrote on one line. Line breaks become blanks; with `keepsLines`, line feeds and tabs stay, as in
 * texts of mail.
 */
export function cleanJson(json: string, { keepsLines = false } = {}): string {
  if (!ESCAPED_OR_CONTROL.test(json)) return withoutInvisible(json)
  const clean = json.replace(ESCAPED, (found, escaped: string | undefined) => {
    if (escaped === undefined) return found === '\u0085' ? ' ' : ''
    if (keepsLines && (escaped === 'n' || escaped === 't')) return found
    if (/^(?:[nrtf]|u000b)$/.test(escaped)) return ' '
    return escaped === 'b' || escaped.startsWith('u') ? '' : found
  })
  return withoutInvisible(clean)
}

function isInPair(text: string, place: number): boolean {
  return /^[\uDC00-\uDFFF]/.test(text.slice(place, place + 1)) && /^[\uD800-\uDBFF]/.test(text.slice(place - 1, place))
}
