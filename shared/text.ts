// What is no character by itself: half of a pair, cut off from the other half.
const HALVES = /\p{Surrogate}/gu
const BREAKS = /[\t\n\v\f\r\u0085]/g
const CONTROLS = /\p{Cc}/gu
const UNFIT = /[\p{Cc}\p{Surrogate}]/u
// What JSON writes as an escape, and controls that it writes as they are. It escapes no surrogate that has its other half.
const ESCAPED = /\\(u[\da-f]{4}|.)|[\u007f-\u009f]/g
const ESCAPED_OR_CONTROL = /\\[^"\\/]|[\u007f-\u009f]/
// The longest emoji in use have some 35 code units; what is longer was made to be long.
const LONGEST_GRAPHEME = 64

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/**
 * Text as every reader takes it: without halves of surrogate pairs and without control characters (C0, DEL and C1), of which those that break
 * a line are blanks. Python, Postgres and Rust refuse the rest.
 */
export function cleanText(text: string): string {
  if (!UNFIT.test(text)) return text
  return text.replace(HALVES, '').replace(BREAKS, ' ').replace(CONTROLS, '')
}

/** Clean text on one line, with one blank where there was white space, and none at either end. */
export function oneLine(text: string | null | undefined): string {
  return cleanText(text ?? '')
    .replace(/\s+/gu, ' ')
    .trim()
}

/**
 * The beginning of a text, at most `most` UTF-16 code units of it. No character is cut in two, and none that is put together of several, such
 * as a flag or an emoji with a skin tone, unless it has more than 64 code units.
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text
  const end = Math.max(0, Math.floor(most))
  const from = Math.max(0, end - LONGEST_GRAPHEME)
  const start = isInPair(text, from) ? from - 1 : from
  const last = graphemes.segment(text.slice(start, end + LONGEST_GRAPHEME)).containing(end - start)
  // Where the look back ends in the middle of one, it is longer than any that is meant.
  const isMeant = last && last.segment.length < LONGEST_GRAPHEME && (last.index > 0 || start === 0)
  if (isMeant) return text.slice(0, start + last.index)
  return text.slice(0, isInPair(text, end) ? end - 1 : end)
}

/** A copy of a value in which every text is clean, names of fields included. */
export function cleaned<T>(value: T): T {
  if (typeof value === 'string') return cleanText(value) as T
  if (Array.isArray(value)) return value.map(cleaned) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [cleanText(name), cleaned(held)])) as T
}

/** The same JSON with every text in it clean; for JSON that `JSON.stringify` wrote on one line. */
export function cleanJson(json: string): string {
  if (!ESCAPED_OR_CONTROL.test(json)) return json
  return json.replace(ESCAPED, (found, escaped: string | undefined) => {
    if (escaped === undefined) return found === '\u0085' ? ' ' : ''
    if (/^(?:[nrtf]|u000b)$/.test(escaped)) return ' '
    return escaped === 'b' || escaped.startsWith('u') ? '' : found
  })
}

function isInPair(text: string, place: number): boolean {
  return /^[\uDC00-\uDFFF]/.test(text.slice(place, place + 1)) && /^[\uD800-\uDBFF]/.test(text.slice(place - 1, place))
}
