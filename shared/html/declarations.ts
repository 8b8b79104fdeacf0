/** What a style says of one property. The declaration of the higher rank holds, unless only the other one is important. */
export interface Declaration {
  value: string
  isImportant: boolean
  rank: number
}

/** Declarations by property. Values are in lower case, with single blanks. */
export type Declarations = Map<string, Declaration>

const ESCAPE = /^\\([\da-f]{1,6}) ?/i
const LONGEST_ESCAPE = 9
const URL_BEGIN = 'url('
const IN_NAME = /^[\w-]$/
const LAST_CHARACTER = 0x10ffff
const IMPORTANT = /! ?important$/
const SIZE_IN_FONT = /(?:^| )(0|[\d.]{1,20}(?:[a-z]{2,4}|%))(?:$|[ /])/
// A browser skips a declaration that it does not understand.
const UNDERSTOOD = new Map([
  ['display', /^(?:none|block|inline|flex|grid|table|contents|list-item|flow|initial|inherit|unset|revert|-webkit-)/],
  ['visibility', /^(?:visible|hidden|collapse|initial|inherit|unset|revert)/],
  ['font-size', /^[\d.+a-z]/],
  ['opacity', /^[\d.+-]|^(?:initial|inherit|unset)/],
])

/**
 * Makes CSS easy to split: lower case, single blanks, no comments, strings or escapes, and no delimiters within parentheses. Takes linear
 * time.
 */
export function plainCss(css: string): string {
  // Asking a text that grows for its end copies it whole.
  const plain: string[] = []
  let depth = 0
  const add = (text: string) => {
    if (text !== ' ' || plain.at(-1) !== ' ') plain.push(text)
  }
  for (let at = 0; at < css.length; at++) {
    const character = css.charAt(at)
    const isUrl = depth > 0 && plain.slice(-URL_BEGIN.length).join('') === URL_BEGIN
    if (isUrl) {
      const end = css.indexOf(')', at)
      at = (end < 0 ? css.length : end) - 1
      add('x')
    } else if (character === '/' && css.charAt(at + 1) === '*') {
      const end = css.indexOf('*/', at + 2)
      at = end < 0 ? css.length : end + 1
      add(' ')
    } else if (character === '"' || character === "'") {
      at = endOfString(css, at)
      add('"')
    } else if (character === '\\') {
      const { text, length } = unescaped(css.slice(at, at + LONGEST_ESCAPE))
      at += length - 1
      add(text)
    } else if (/\s/.test(character)) add(' ')
    else if (depth > 0 && /[;{}:]/.test(character)) add(' ')
    else {
      if (character === '(') depth += 1
      if (character === ')') depth = Math.max(0, depth - 1)
      add(character.toLowerCase())
    }
  }
  return plain.join('')
}

/** Reads declarations of plain CSS. Later ones hold over earlier ones, and important ones over others. */
export function declarationsOf(plain: string, rank: number): Declarations {
  const all: Declarations = new Map()
  for (const written of plain.split(';')) {
    const colon = written.indexOf(':')
    const name = written.slice(0, Math.max(0, colon)).trim()
    const said = written.slice(colon + 1).trim()
    const isImportant = IMPORTANT.test(said)
    const value = isImportant ? said.slice(0, said.lastIndexOf('!')).trim() : said
    if (name === '' || value === '' || UNDERSTOOD.get(name)?.test(value) === false) continue
    for (const [property, part] of longhands(name, value)) merge(all, property, { value: part, isImportant, rank })
  }
  return all
}

/** Adds declarations to others, by importance and rank; of equal ones the added hold. */
export function mergeAll(into: Declarations, from: Declarations): void {
  for (const [property, one] of from) merge(into, property, one)
}

function merge(into: Declarations, property: string, one: Declaration): void {
  const known = into.get(property)
  const isStronger = !known || (known.isImportant === one.isImportant ? one.rank >= known.rank : one.isImportant)
  if (isStronger) into.set(property, one)
}

function longhands(name: string, value: string): [string, string][] {
  if (name === 'font') return [['font-size', SIZE_IN_FONT.exec(value)?.[1] ?? 'medium']]
  if (name === 'background') return [['background-color', value], ['background-image', 'none'], ...clips(value)]
  return [[name, value]]
}

function clips(value: string): [string, string][] {
  return [['background-clip', /(?:^| )text(?:$| )/.test(value) ? 'text' : 'border-box']]
}

function endOfString(css: string, from: number): number {
  const quote = css.charAt(from)
  for (let at = from + 1; at < css.length; at++) {
    const character = css.charAt(at)
    if (character === quote || character === '\n') return at
    if (character === '\\') at += 1
  }
  return css.length
}

// An escaped delimiter delimits nothing.
function unescaped(css: string): { text: string; length: number } {
  const [whole, digits] = ESCAPE.exec(css.replace(/\s/g, ' ')) ?? []
  const code = Number.parseInt(digits ?? '', 16)
  const text =
    whole === undefined ? css.charAt(1) : code > 0 && code <= LAST_CHARACTER ? String.fromCodePoint(code) : ''
  return { text: IN_NAME.test(text) ? text.toLowerCase() : '\ufffd', length: whole?.length ?? 2 }
}
