import { withoutInvisible } from '../invisible.ts'

const BREAKS = /\r\n?|\v|\f|\u0085|\u2028|\u2029/g
const UNFIT = /(?![\t\n])\p{Cc}|\p{Surrogate}/gu
// Newsletters pad their texts with characters of no width. The two joiners stay, because they join letters and emoji.
const NO_WIDTH =
  /\u034F|[\u00AD\u115F\u1160\u17B4\u17B5\u180E\u200B\u2060-\u2064\u206A-\u206F\uFEFF]|(?<![\u200C\u200D])[\u200C\u200D]{2,}/gu
const TRAILING = /(?<![^\S\n]|^--)[^\S\n]+$/gm
const BLANK_LINES = /(?<!\n)\n{3,}/g

/**
 * Makes a text clean and short, without changing its words: line breaks are `\n`, and no control characters, lone surrogates, padding, invisible marks or
 * blanks at line ends are left, nor more than one blank line in a row. The blank of the line "-- " stays, which begins a signature.
 */
export function tidyText(text: string): string {
  const clean = text.replace(BREAKS, '\n').replace(UNFIT, '').replace(NO_WIDTH, '')
  return withoutInvisible(clean)
    .replace(TRAILING, '')
    .replace(BLANK_LINES, '\n\n')
    .replace(/^\n+|(?<![\s])\s+$/g, '')
}

/**
 * Joins the lines of a text that its sender's program wrapped (`format=flowed`, RFC 3676): a line that ends with a blank goes on in the next
 * one of the same quotation. With `delSp` that blank is not part of the text.
 */
export function unwrapFlowed(text: string, delSp: boolean): string {
  const lines: { depth: number; text: string; goesOn: boolean }[] = []
  for (const written of text.split(/\r?\n/)) {
    const [marks = ''] = /^>*/.exec(written) ?? []
    const depth = marks.length
    const line = written.slice(depth).replace(/^ /, '')
    const isSignature = line === '-- '
    const goesOn = line.endsWith(' ') && !isSignature
    const own = goesOn && delSp ? line.slice(0, -1) : line
    const last = lines.at(-1)
    if (last?.goesOn && last.depth === depth && !isSignature) {
      last.text += own
      last.goesOn = goesOn
    } else lines.push({ depth, text: own, goesOn })
  }
  return lines.map(line => (line.depth > 0 ? `${'>'.repeat(line.depth)} ${line.text}` : line.text)).join('\n')
}
