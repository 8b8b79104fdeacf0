import { MARK_TOKENS } from './marks.ts'
import { ACCENTED, NO_LETTER, pairCost } from './pairs.ts'
import { tokensAlone } from './rare.ts'
import { ACCENTS, type Ranges, SCRIPTS } from './scripts.ts'

// Kinds of characters. Each mark of ASCII is a kind of its own, and so are all control characters together.
const START = -1
const ESCAPED = -2
const BLANK = 0
const DIGIT = 1
const UPPER = 2
const LOWER = 3
const FIRST_ACCENT = 4
const FIRST_SCRIPT = FIRST_ACCENT + ACCENTS.length
const FIRST_MARK = FIRST_SCRIPT + SCRIPTS.length
const MARKS = '\0!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
const FIRST_RARE = FIRST_MARK + MARKS.length
// Characters of two tokens, and of three.
const END = FIRST_RARE + 2
const QUOTE = markKind('"')
const COMMA = markKind(',')
const BACKSLASH = markKind('\\')
// A line of these is few tokens.
const RULES = new Set(Array.from('!#%*+-./:;=_~', markKind))

// All costs are in hundredths of a token, so that sums are exact; none exceeds four tokens.
const A_TOKEN = 100
const PLACES = 15
// Where the cost of a letter by its place in a word changes, and the costs; the letter before decides the rest (`pairs.ts`). Words in capitals
// have their tokens earlier.
const PLACE_ENDS = [1, 4, 8, 14, PLACES]
const LETTERS = [83, 29, 38, 47, 48]
const CAPITALS = [87, 36, 58, 69, 81]
// No letter costs less, by its place: a longer text never costs less, and long runs of cheap pairs are no words.
const LEAST = [50, 0, 0, 10, 33]
// For each of these classes, a letter has a table of costs: small letters, capitals, accented letters, and those that begin a word.
const FIRST_CAPITAL = PLACE_ENDS.length
const FIRST_ACCENTED = 2 * PLACE_ENDS.length
const FIRST_INITIAL = FIRST_ACCENTED + ACCENTS.length
const CLASSES = FIRST_INITIAL + ACCENTS.length
// The same in a run that also has digits or changes its case: an id, a link, an encoding.
const DENSE_LETTERS = byPlace([90, 1], [38, 4], [45])
const DENSE_CAPITALS = byPlace([90, 1], [65, 4], [55])
const BLANK_AFTER_BLANK = 20
// A blank before a digit is a token; before a letter it belongs to one.
const BLANK_BEFORE_DIGIT = 90
const THREE_DIGITS = 100
const MARK = 100
const SAME_RULE = 10
// Each letter of a pair that is repeated, as in no word.
const REPEATED = 110
// Each of these letters has a token of several, which a line of it takes.
const CHEAP_RUNS = new Set(Array.from('abcdefhijklmoqrsuvxy', letter => letter.charCodeAt(0)))
// After the first mark of a text no token goes on.
const NO_TOKEN = ''
const TOKENS = [NO_TOKEN, ...MARKS, ...Array.from(MARKS, mark => ` ${mark}`), ...MARK_TOKENS]
const TOKEN_NUMBERS = new Map(TOKENS.map((token, number) => [token, number]))

/** No text has more characters for one estimated token. */
export const MOST_CHARACTERS_A_TOKEN = A_TOKEN / SAME_RULE
/** No UTF-16 code unit of JSON is more estimated tokens. */
export const MOST_TOKENS_A_CHARACTER = 4

/** What decides the cost of the next character. */
interface State {
  before: number
  /** How many characters of a word, or of a group of three digits, precede it; after a mark, the number of the token that it ends. */
  place: number
  isDense: boolean
}

const KIND_BITS = 7
const COST_BITS = 9
const LETTER_BITS = 5
// Set where the cost is a class of letters instead.
const IS_LETTER = 1 << COST_BITS
const NEXT_BITS = COST_BITS + 1
const KINDS = kinds()
const STEPS = steps()
const LETTER_COSTS = letterCosts()

/**
 * Estimates the tokens of a text, such as JSON, in one pass. The true number is at most a tenth higher for mail in most languages, links,
 * encodings, repeated pairs of letters, marks of ASCII in any order and rare characters, by the tokenizer o200k_base. Letters at random may be
 * twice it, of some scripts more. JSON costs at most as much as its values together.
 */
export function tokensOf(text: string): number {
  let cost = 0
  let state = 0
  let before = NO_LETTER
  let [last, lastButOne, repeated] = [0, 0, 0]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const kind = KINDS[code] ?? 0
    const step = STEPS[state | (kind & ((1 << KIND_BITS) - 1))] ?? 0
    const letter = kind >> KIND_BITS
    const own = step & (IS_LETTER - 1)
    const usual =
      (step & IS_LETTER) === 0 ? own : (LETTER_COSTS[(((own << LETTER_BITS) | before) << LETTER_BITS) | letter] ?? 0)
    repeated = code === lastButOne && isWritten(kind) && !(code === last && CHEAP_RUNS.has(code)) ? repeated + 1 : 0
    cost += repeated > 1 && usual < REPEATED ? REPEATED : usual
    lastButOne = last
    last = code
    before = letter
    state = step >> NEXT_BITS
  }
  return cost / A_TOKEN
}

function isWritten(kind: number): boolean {
  const plain = kind & ((1 << KIND_BITS) - 1)
  return plain >= UPPER && plain < FIRST_MARK
}

// Numbers the states as they are reached. Each entry holds the next state, as its offset in the table, and the cost.
function steps(): Uint32Array {
  const states: State[] = [{ before: START, place: 0, isDense: false }]
  const numbers = new Map<string, number>([[keyOf(states[0]), 0]])
  const entries: number[] = []
  for (const [number, state] of states.entries()) {
    for (let kind = 0; kind < END; kind++) {
      const { cost, isLetter = false, ...next } = stepTo(kind, state)
      const key = keyOf(next)
      if (!numbers.has(key)) numbers.set(key, states.push(next) - 1)
      entries[(number << KIND_BITS) | kind] =
        ((numbers.get(key) ?? 0) << (KIND_BITS + NEXT_BITS)) | (isLetter ? IS_LETTER : 0) | cost
    }
  }
  return Uint32Array.from(entries, entry => entry ?? 0)
}

function keyOf(state: State | undefined): string {
  return JSON.stringify([state?.before, state?.place, state?.isDense])
}

/** The next state, and the cost of the character, or its class of letters. */
interface Step extends State {
  cost: number
  isLetter?: boolean
}

function stepTo(kind: number, { before, place, isDense }: State): Step {
  if (kind === BLANK) {
    // A character alone, between blanks, is a token.
    const rest = before >= FIRST_SCRIPT && before < FIRST_MARK && place === 0 ? A_TOKEN - firstCost(before) : 0
    return { before: kind, place: 0, isDense: false, cost: before === BLANK ? BLANK_AFTER_BLANK : Math.max(0, rest) }
  }
  // JSON writes a line break as two characters, which are one token.
  if (kind === LOWER && before === BACKSLASH && TOKENS[place] === '\\')
    return { before: ESCAPED, place: 0, isDense: false, cost: 0 }
  if (kind === DIGIT) {
    const next = before === DIGIT ? (place + 1) % 3 : 0
    const cost = (next === 0 ? THREE_DIGITS : 0) + (before === BLANK ? BLANK_BEFORE_DIGIT : 0)
    return { before: kind, place: next, isDense: isDense || before === UPPER || before === LOWER, cost }
  }
  if (kind >= FIRST_RARE) {
    const cost = A_TOKEN * (2 + kind - FIRST_RARE + (before === BLANK ? 1 : 0))
    return { before: kind, place: 0, isDense, cost }
  }
  if (kind >= FIRST_MARK)
    return { before: kind, isDense: isDense && kind !== QUOTE && kind !== COMMA, ...markStep(kind, before, place) }
  if (kind >= FIRST_SCRIPT) {
    const { first, next } = SCRIPTS[kind - FIRST_SCRIPT] ?? { first: 0, next: 0 }
    return { before: kind, place: before === kind ? 1 : 0, isDense, cost: before === kind ? next : first }
  }
  const isInWord = before >= UPPER && before < FIRST_SCRIPT && !(before === LOWER && kind === UPPER)
  const at = isInWord ? Math.min(place + 1, PLACES - 1) : 0
  const dense = isDense || before === DIGIT || (before === LOWER && kind === UPPER)
  const next = { before: kind, place: at, isDense: kind >= FIRST_ACCENT ? isDense : dense }
  if (dense) return { ...next, cost: denseCost(kind, at) }
  if (kind >= FIRST_ACCENT)
    return { ...next, isLetter: true, cost: kind - FIRST_ACCENT + (at === 0 ? FIRST_INITIAL : FIRST_ACCENTED) }
  const row = PLACE_ENDS.findIndex(end => at < end)
  return { ...next, isLetter: true, cost: row + (kind === UPPER ? FIRST_CAPITAL : 0) }
}

// Marks go on with a token as long as there is one; a string begins with a quotation mark alone, so that it costs the same anywhere.
function markStep(kind: number, before: number, place: number): Pick<Step, 'place' | 'cost'> {
  if (before === START) return { place: 0, cost: MARK }
  const mark = MARKS[kind - FIRST_MARK] ?? ''
  const isAfterMark = before >= FIRST_MARK && before < FIRST_RARE
  const token = isAfterMark ? (TOKENS[place] ?? '') : NO_TOKEN
  if (token.trimStart() === mark + mark && RULES.has(kind)) return { place, cost: SAME_RULE }
  const longer =
    token === NO_TOKEN || (kind === BACKSLASH && token !== '\\') ? undefined : TOKEN_NUMBERS.get(token + mark)
  if (longer !== undefined) return { place: longer, cost: 0 }
  // What JSON escapes after a blank is two tokens.
  if (before === BLANK && kind === BACKSLASH) return { place: TOKEN_NUMBERS.get(mark) ?? 0, cost: 2 * MARK }
  return { place: TOKEN_NUMBERS.get(before === BLANK ? ` ${mark}` : mark) ?? 0, cost: MARK }
}

function firstCost(kind: number): number {
  return SCRIPTS[kind - FIRST_SCRIPT]?.first ?? 0
}

function denseCost(kind: number, at: number): number {
  if (kind >= FIRST_ACCENT) return ACCENTS[kind - FIRST_ACCENT]?.each ?? 0
  return (kind === UPPER ? DENSE_CAPITALS : DENSE_LETTERS)[at] ?? 0
}

function letterCosts(): Uint8Array {
  const all = new Uint8Array(CLASSES << (2 * LETTER_BITS))
  const bases = [...LETTERS, ...CAPITALS, ...ACCENTS.map(({ each }) => each), ...ACCENTS.map(({ each }) => each)]
  for (const [row, base] of bases.entries())
    for (let before = 0; before <= NO_LETTER; before++)
      for (let letter = 0; letter <= ACCENTED; letter++) {
        const isFirst = row === 0 || row === FIRST_CAPITAL || row >= FIRST_INITIAL
        const cost = base + pairCost(isFirst ? NO_LETTER : before, letter)
        const least = LEAST[row < FIRST_ACCENTED ? row % FIRST_CAPITAL : 1] ?? 0
        all[(((row << LETTER_BITS) | before) << LETTER_BITS) | letter] = Math.max(least, cost)
      }
  return all
}

function byPlace(...steps: readonly (readonly [cost: number, until?: number])[]): number[] {
  return Array.from({ length: PLACES }, (_, place) => steps.find(([, until = PLACES]) => place < until)?.[0] ?? 0)
}

function markKind(mark: string): number {
  return FIRST_MARK + MARKS.indexOf(mark)
}

// The kind of each UTF-16 code unit, and above it the number of the letter.
function kinds(): Uint16Array {
  const all = new Uint16Array(0x1_00_00).fill(FIRST_MARK)
  const mark = (kind: number, { ranges }: Ranges) => {
    for (const [from, to] of ranges) all.fill(kind, from, to + 1)
  }
  const alone = tokensAlone()
  for (const [row, script] of SCRIPTS.entries()) mark(FIRST_SCRIPT + row, script)
  for (const [row, accent] of ACCENTS.entries()) mark(FIRST_ACCENT + row, accent)
  for (const [code, tokens] of alone.entries()) if (tokens > 1) all[code] = FIRST_RARE + tokens - 2
  for (const sign of MARKS) all[sign.charCodeAt(0)] = markKind(sign)
  all[0x20] = BLANK
  mark(DIGIT, { ranges: [[0x30, 0x39]] })
  mark(UPPER, { ranges: [[0x41, 0x5a]] })
  mark(LOWER, { ranges: [[0x61, 0x7a]] })
  for (let code = 0; code < all.length; code++) {
    const kind = all[code] ?? 0
    const letter = kind === UPPER ? code - 0x41 : kind === LOWER ? code - 0x61 : ACCENTED
    all[code] = kind | ((kind >= UPPER && kind < FIRST_SCRIPT ? letter : NO_LETTER) << KIND_BITS)
  }
  return all
}
