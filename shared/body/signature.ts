// RFC 3676. Programs that trim lines leave out the blank.
const DELIMITER = /^-- ?$/
// Lists put a rule above their footer.
const RULE = /^ {0,3}(?:_{20,80}|-{20,80}|={20,80}|\*{20,80}) {0,3}$/
const ADDRESS = /https?:\/\/|www\.|[^\s@]@[^\s@]/i
const PGP_START = '-----BEGIN PGP SIGNATURE-----'
const PGP_END = '-----END PGP SIGNATURE-----'
const MOST_LINES = 16
const MOST_FOOTER_LINES = 8

/**
 * Returns which lines belong to a signature or a footer: those below a delimiter, of an OpenPGP signature, and below a rule at the end where
 * an address is among them. Longer ones are text. `isQuote` tells quotes, which end a signature.
 */
export function signatureLines(lines: readonly string[], isQuote: (at: number) => boolean): boolean[] {
  const marks = lines.map(() => false)
  const ends = quotesBelow(lines.length, isQuote)
  const filled = countsBefore(lines, line => line.trim() !== '')
  const addresses = countsBefore(lines, line => ADDRESS.test(line))
  const pgpEnd = lines.lastIndexOf(PGP_END)
  for (const [at, line] of lines.entries()) {
    if (marks[at] || isQuote(at)) continue
    const end = ends[at] ?? lines.length
    const within = (counts: readonly number[]) => (counts[end] ?? 0) - (counts[at + 1] ?? 0)
    const size = within(filled)
    const isSignature = DELIMITER.test(line) && size <= MOST_LINES
    const isFooter = RULE.test(line) && end === lines.length && size <= MOST_FOOTER_LINES && within(addresses) > 0
    if (isSignature || isFooter) marks.fill(true, at, end)
    else if (line === PGP_START && pgpEnd > at) marks.fill(true, at, lines.indexOf(PGP_END, at) + 1)
  }
  return marks
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
