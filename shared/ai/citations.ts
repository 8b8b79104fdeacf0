/** Normalized texts of messages, by the names that answers cite. */
export type Citable = ReadonlyMap<string, readonly string[]>

// Alphabets whose words stand between blanks or marks, so that half a word is no quote.
const IN_WORDS = /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{N}]/u
const SAYS_SOMETHING = /[\p{L}\p{N}]/u
// A quote that stands inside words this often is no quote.
const MOST_PLACES = 1000

/** Returns the texts of messages as quotes are compared with them. */
export function normalizedSources(sources: ReadonlyMap<string, readonly string[]>): Citable {
  return new Map([...sources].map(([name, texts]) => [name, texts.map(normalized)]))
}

/**
 * Returns whether a text of the named message holds the quote in whole words. White space counts as one blank, composed and decomposed
 * letters are equal, and invisible characters do not count.
 */
export function isQuoted(citable: Citable, message: string, quote: string): boolean {
  const wanted = normalized(quote)
  if (!SAYS_SOMETHING.test(wanted)) return false
  return (citable.get(message) ?? []).some(text => holds(text, wanted))
}

function holds(text: string, wanted: string): boolean {
  let at = text.indexOf(wanted)
  for (let tries = 0; at >= 0 && tries < MOST_PLACES; tries++, at = text.indexOf(wanted, at + 1)) {
    const end = at + wanted.length
    if (!isInsideWord(text, at) && !isInsideWord(text, end)) return true
  }
  return false
}

function isInsideWord(text: string, at: number): boolean {
  return IN_WORDS.test(text.charAt(at - 1)) && IN_WORDS.test(text.charAt(at))
}

function normalized(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\p{Cf}/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
}
