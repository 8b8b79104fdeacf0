// Scripts that put no spaces between words: each character stands for itself, so that a phrase is found wherever it is written.
const UNSPACED =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}'
const WORD = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}_])+`, 'gu')

/** The words of a text in lower case, without what stands between them: `Bo@Example.com` is `bo`, `example`, `com`. */
export function wordsOf(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().match(WORD) ?? []
}

/** Where a phrase begins in a text: every position of its first word. Nothing is nowhere. */
export function positionsOf(phrase: readonly string[], text: readonly string[]): number[] {
  const [first] = phrase
  const found: number[] = []
  if (first === undefined) return found
  for (let at = text.indexOf(first); at >= 0; at = text.indexOf(first, at + 1))
    if (phrase.every((word, index) => text[at + index] === word)) found.push(at)
  return found
}
