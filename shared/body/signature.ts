const DELIMITER = /^-- ?$/
const MOST_LINES = 12

/** Returns the place of the line that begins the signature at the end of a mail; the number of lines where there is none. */
export function signatureAt(lines: readonly string[]): number {
  const from = Math.max(0, lines.length - MOST_LINES)
  const found = lines.slice(from).findIndex(line => DELIMITER.test(line))
  return found < 0 ? lines.length : from + found
}
