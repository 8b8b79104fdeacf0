/** Characters, as ranges of UTF-16 code units. */
export interface Ranges {
  /** Code units, from and to. */
  ranges: readonly (readonly [from: number, to: number])[]
}
/** Characters that have the same cost, in hundredths of a token. */
interface Script extends Ranges {
  /** What the first character of a run costs, and each further one. */
  first: number
  next: number
}

/*
 * All figures are measured with the tokenizer o200k_base, over mail and the texts of `test/support/languages.ts`. They are on the safe side:
 * where languages share characters, the dearest decides.
 */
/** Accented Latin letters, each with its cost in hundredths of a token. Later rows override earlier ones. */
export const ACCENTS: readonly (Ranges & { each: number })[] = [
  // Western languages.
  { each: 59, ranges: [[0xc0, 0xff]] },
  // Languages of the north, and of the east.
  {
    each: 51,
    ranges: [
      [0xc5, 0xc6],
      [0xd0, 0xd0],
      [0xd8, 0xd8],
      [0xde, 0xde],
      [0xe5, 0xe6],
      [0xf0, 0xf0],
      [0xf8, 0xf8],
      [0xfe, 0xfe],
    ],
  },
  {
    each: 29,
    ranges: [
      [0xc4, 0xc4],
      [0xd6, 0xd6],
      [0xe4, 0xe4],
      [0xf6, 0xf6],
    ],
  },
  { each: 71, ranges: [[0x100, 0x24f]] },
  // Vietnamese.
  { each: 53, ranges: [[0x1e00, 0x1eff]] },
]
/** Other characters, with their costs in hundredths of a token. Later rows override earlier ones. */
export const SCRIPTS: readonly Script[] = [
  // All that is in no row below.
  { first: 200, next: 200, ranges: [[0x80, 0xffff]] },
  // Signs: quotation marks, dashes, currencies.
  {
    first: 100,
    next: 100,
    ranges: [
      [0xa0, 0xbf],
      [0x2010, 0x2049],
      [0x20a0, 0x20bf],
    ],
  },
  // Greek.
  { first: 60, next: 38, ranges: [[0x370, 0x3ff]] },
  // Cyrillic: the letters of Russian, and those of other languages.
  { first: 60, next: 26, ranges: [[0x400, 0x44f]] },
  { first: 120, next: 120, ranges: [[0x450, 0x52f]] },
  // Armenian and Georgian.
  {
    first: 70,
    next: 45,
    ranges: [
      [0x530, 0x58f],
      [0x10a0, 0x10ff],
    ],
  },
  // Hebrew.
  { first: 60, next: 43, ranges: [[0x590, 0x5ff]] },
  // Arabic, Persian, Urdu.
  { first: 65, next: 33, ranges: [[0x600, 0x77f]] },
  // Scripts of India: Devanagari, those from Bengali to Malayalam, and the dearest.
  { first: 60, next: 38, ranges: [[0x900, 0x97f]] },
  { first: 60, next: 45, ranges: [[0x980, 0xd7f]] },
  {
    first: 70,
    next: 65,
    ranges: [
      [0xa00, 0xa7f],
      [0xd80, 0xdff],
    ],
  },
  // Thai.
  { first: 60, next: 43, ranges: [[0xe00, 0xe7f]] },
  // Burmese and Khmer.
  {
    first: 80,
    next: 65,
    ranges: [
      [0x1000, 0x109f],
      [0x1780, 0x17ff],
    ],
  },
  // Hangul.
  {
    first: 80,
    next: 68,
    ranges: [
      [0x1100, 0x11ff],
      [0xac00, 0xd7a3],
    ],
  },
  // Punctuation of Chinese and Japanese, and wide letters.
  {
    first: 100,
    next: 120,
    ranges: [
      [0x3000, 0x303f],
      [0xff00, 0xff5f],
    ],
  },
  // Hiragana and Katakana.
  { first: 80, next: 65, ranges: [[0x3040, 0x30ff]] },
  // Han; the traditional characters are dearer than the simplified ones.
  { first: 95, next: 92, ranges: [[0x3400, 0x9fff]] },
  // Halves of emoji and of rare characters: the first halves of both, and the second halves of all.
  { first: 250, next: 250, ranges: [[0xd800, 0xdbff]] },
  {
    first: 150,
    next: 150,
    ranges: [
      [0xd83c, 0xd83e],
      [0xdc00, 0xdfff],
    ],
  },
]
