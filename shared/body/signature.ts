// RFC 3676. Programs that trim lines leave out the blank, but people write such a line above text, too.
const DELIMITER = '-- '
const BARE_DELIMITER = '--'
// Lists put a rule above their footer.
const RULE = /^ {0,3}(?:_{20,80}|-{20,80}|={20,80}|\*{20,80}) {0,3}$/
const ADDRESS = /https?:\/\/|www\.|[^\s@]@[^\s@]/i
const PGP_START = '-----BEGIN PGP SIGNATURE-----'
const PGP_END = '-----END PGP SIGNATURE-----'
const ARMOR = /^(?:[A-Za-z0-9+/=]{0,76}|(?:Version|Comment|Hash|Charset|MessageID): .{0,80})\s?$/
const ENDS_SENTENCE = /\p{Sentence_Terminal}["'”’»)\]」』]{0,3}\s{0,3}$/u
const MOST_LINES = 16
const MOST_BARE_LINES = 4
const MOST_FOOTER_LINES = 8
const MOST_PGP_LINES = 32
const MOST_CHARACTERS = 100

/**
 * Returns which lines belong to a signature or a footer: those below a delimiter, of an OpenPGP signature, and below a rule at the end where
 * an address is among them. Longer ones are text, and so are sentences, unless the delimiter has its blank. `isQuote` tells quotes, which end a signature.
 */
export function signatureLines(lines: readonly string[], isQuote: (at: number) => boolean): boolean[] {
  const marks = lines.map(() => false)
  const ends = quotesBelow(lines.length, isQuote)
  const filled = countsBefore(lines, line => line.trim() !== '')
  const addresses = countsBefore(lines, line => ADDRESS.test(line))
  const sentences = countsBefore(lines, line => line.length > MOST_CHARACTERS || ENDS_SENTENCE.test(line))
  for (const [at, line] of lines.entries()) {
    if (marks[at] || isQuote(at)) continue
    const end = ends[at] ?? lines.length
    const within = (counts: readonly number[]) => (counts[end] ?? 0) - (counts[at + 1] ?? 0)
    const size = within(filled)
    const isShort = (most: number) => size <= most && within(sentences) === 0
    const isSignature = line === DELIMITER ? size <= MOST_LINES : line === BARE_DELIMITER && isShort(MOST_BARE_LINES)
    const isFooter = RULE.test(line) && end === lines.length && isShort(MOST_FOOTER_LINES) && within(addresses) > 0
    if (isSignature || isFooter) marks.fill(true, at, end)
    else if (line === PGP_START) marks.fill(true, at, pgpEndOf(lines, at))
  }
  return marks
}

// Text between the two lines is no signature.
function pgpEndOf(lines: readonly string[], start: number): number {
  const below = lines.slice(start + 1, start + 2 + MOST_PGP_LINES)
  const size = below.indexOf(PGP_END)
  return size >= 0 && below.slice(0, size).every(line => ARMOR.test(line)) ? start + size + 2 : start
}

// Of each line, the place of the next quote below it, or the end.
function quotesBelow(count: number, isQuote: (at: number) => boolean): number[] {
  const places: number[] = []
  let next = count
  for (let at = count - 1; at >= 0; at--) {
    places[at] = next
    if (isQuote(at)) next = at
  }
  return places
}

// How many of the lines before each place are meant.
function countsBefore(lines: readonly string[], isMeant: (line: string) => boolean): number[] {
  const counts = [0]
  for (const line of lines) counts.push((counts.at(-1) ?? 0) + (isMeant(line) ? 1 : 0))
  return counts
}
