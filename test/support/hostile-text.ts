import { countSteps, MAX_STEPS, type Pattern, parsePattern } from './backtracking.ts'

/** A text that makes a regular expression backtrack: a beginning, a repeated part, and an end that does not match. */
export interface Hostile {
  prefix: string
  pump: string
}

const LONGEST_PUMP = 6
// Few expressions use all of it.
const SUFFIX = '\u0001\n '
const ALWAYS = [' ', '\t', '\n', 'a', '0', '@', '.', '<', '"', '\\', '=', ':', ',', '-', '\u200b']
const SAMPLES = ['a', '0', ' ', '-', '.', '/', '"', ';', 'A', '\t', '>', '\u00ad', '\u200c', '\u0001']
const VARIANTS = 3
const TIMES = 8
// Up to so many a bounded repetition looks like one without end.
const MANY_CHARACTERS = 512
// Four times the text takes four times the steps, or sixteen times as many where each character restarts the search.
const MAX_GROWTH = 6

/** Finds a text for which an expression takes more than linear steps; `undefined` where there is none. Uses no clock. */
export function slowTextFor({ source, flags, global }: RegExp): Hostile | undefined {
  const pattern = parsePattern(source)
  const search = countSteps(pattern, flags)
  const grows = (hostile: Hostile, times: number) => {
    const few = steps(textOf(hostile, times))
    return few > MAX_STEPS || steps(textOf(hostile, times * 4)) > Math.min(few * MAX_GROWTH, MAX_STEPS)
  }
  return hostileTo(pattern, flags).find(
    hostile => grows(hostile, TIMES) && grows(hostile, Math.ceil(MANY_CHARACTERS / hostile.pump.length)),
  )

  function steps(text: string): number {
    let sum = 0
    for (let from = 0; ; ) {
      const { match, steps } = search(text, from)
      sum += steps
      if (!match || !global || sum > MAX_STEPS) return sum
      from = Math.max(match[1], match[0] + 1)
    }
  }
}

/** Builds the text with its pump so many times. */
export function textOf({ prefix, pump }: Hostile, times: number): string {
  return prefix + pump.repeat(times) + SUFFIX
}

/** Texts made of what an expression itself looks for: each run of its atoms, alone and after all that comes before it. */
export function hostileTo(pattern: Pattern, flags: string): Hostile[] {
  const texts = new Map<string, Hostile>()
  const add = (pump: string, prefix: string) => {
    if (pump !== '') texts.set(JSON.stringify([prefix, pump]), { prefix, pump })
  }
  for (let variant = 0; variant < VARIANTS; variant++) {
    const words = wordsOf(atomsOf(pattern, flags, variant))
    for (let from = 0; from <= words.length; from++) {
      const before = words.slice(0, from).join('')
      for (const pump of ALWAYS) add(pump, before)
      for (let to = from + 1; to <= Math.min(words.length, from + LONGEST_PUMP); to++) {
        const pump = words.slice(from, to).join('')
        for (const separator of ['', ' ']) for (const prefix of ['', before]) add(pump + separator, prefix)
      }
    }
  }
  return [...texts.values()]
}

interface Atom {
  text: string
  isPlain: boolean
}

// Characters that stand for themselves are taken together.
function wordsOf(atoms: readonly Atom[]): string[] {
  const words: string[] = []
  for (const [place, { text, isPlain }] of atoms.entries()) {
    const isMore = isPlain && atoms[place - 1]?.isPlain
    words.push(isMore ? `${words.pop()}${text}` : text)
  }
  return words
}

// One character for each, in order, of one way through the pattern: the first, second or third of its alternatives.
function atomsOf(node: Pattern, flags: string, variant: number): Atom[] {
  switch (node.type) {
    case 'set':
      return [{ text: sampleOf(node.source, flags), isPlain: isPlain(node.source) }]
    case 'sequence':
      return node.items.flatMap(item => atomsOf(item, flags, variant))
    case 'either':
      return node.options
        .slice(variant % node.options.length)
        .slice(0, 1)
        .flatMap(one => atomsOf(one, flags, variant))
    case 'group':
    case 'ahead':
      return atomsOf(node.inner, flags, variant)
    case 'repeat':
      return Array.from({ length: Math.max(1, Math.min(node.least, 60)) }, () =>
        atomsOf(node.inner, flags, variant),
      ).flat()
    default:
      return []
  }
}

function sampleOf(source: string, flags: string): string {
  if (isPlain(source)) return source
  const isOne = new RegExp(`^${source}$`, flags.replace(/[gy]/g, ''))
  return [...SAMPLES, ...source].find(one => isOne.test(one)) ?? ''
}

function isPlain(source: string): boolean {
  return source.length === 1 && source !== '.'
}
