// Scripts without spaces between words: each character is a word, so that a phrase is found anywhere.
const UNSPACED =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}'
const WORD = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}_])+`, 'gu')

/**
 * Returns the words of a text in lower case, without separators: `Bo@Example.com` is `bo`, `example`, `com`.
 */
export function wordsOf(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().match(WORD) ?? []
}

/** Returns the positions of a phrase in a text, by its first word; none for an empty phrase. */
export function positionsOf(phrase: readonly string[], text: readonly string[]): number[] {
  const [first] = phrase
  const found: number[] = []
  if (first === undefined) return found
  for (let at = text.indexOf(first); at >= 0; at = text.indexOf(first, at + 1))
    if (phrase.every((word, index) => text[at + index] === word)) found.push(at)
  return found
}
