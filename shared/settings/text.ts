/** What a setting's text is: one `word`, a `list` with commas, a Gmail `search`, or `lines` of text. */
export type TextKind = 'word' | 'list' | 'search' | 'lines'

const QUOTES = new Set('"\'`“”„‟‘’‚‛«»')
// At the edges of a value these come from editors and web pages, and are never meant.
const BLANKS = new Set([...'\u0085\u200b\u2060\ufeff\u0000'])
const INVISIBLE = /[\p{Cc}\u200b\u2028-\u202e\u2060-\u2069\ufeff]/u
const LINE_FEEDS = /[\r\n\t]/g
const OTHER_COMMAS = /[;；，、،؛]/
// Words without commas are one label with spaces, unless each of them is one of Gmail's own labels.
const SYSTEM_LABELS = new Set(['INBOX', 'SENT', 'DRAFT', 'DRAFTS', 'SPAM', 'TRASH', 'BIN', 'CHAT', 'CHATS'])
const LONGEST_SHOWN = 200

/** The text without white space and invisible characters around it; empty where nothing else is in it. Takes time in proportion to its length. */
export function trimmed(text: string): string {
  const isBlank = (at: number) => BLANKS.has(text[at] ?? '') || (text[at] ?? '').trim() === ''
  let [start, end] = [0, text.length]
  while (start < end && isBlank(start)) start += 1
  while (end > start && isBlank(end - 1)) end -= 1
  return text.slice(start, end)
}

/**
 * What to use instead of a trimmed text that a shell, a file or a form has left marks in: quotes, a comment, its own name, a variable that
 * was not replaced, characters that cannot be seen. `undefined` for a text without any. Never repeats the text: it may be a secret.
 */
export function markIn(text: string, name: string, kind: TextKind = 'word'): string | undefined {
  if ((name !== '' && text.startsWith(`${name}=`)) || text.startsWith(`export ${name}=`))
    return `only what follows "${name}="`
  if (kind === 'lines') return isQuoted(text) ? 'the value without quotes: here they are part of it' : undefined
  if (/\s#(\s|$)/.test(text)) return 'the value without the comment behind it: here it is part of the value'
  if (/\$\{[^$}]{1,100}\}/.test(text)) return 'the value itself: a variable with $ and braces is not replaced here'
  const seen = kind === 'list' ? text.replaceAll(LINE_FEEDS, ' ') : text
  const hidden = INVISIBLE.exec(seen)?.[0]
  if (hidden !== undefined) return `the value without the invisible character ${escaped(hidden)}`
  return quotesIn(text, kind)
}

function quotesIn(text: string, kind: TextKind): string | undefined {
  if (kind === 'search') {
    if (isQuoted(text)) return 'the search without quotes around it, or ("…") for one phrase'
    if (text.includes('\\"')) return 'the search without backslashes'
    return text.split('"').length % 2 === 0 ? 'the search with as many quotes that close as open' : undefined
  }
  const parts = kind === 'list' ? text.split(',').map(trimmed) : [text]
  const isMarked = (part: string) => QUOTES.has(part[0] ?? '') || QUOTES.has(part.at(-1) ?? '')
  return parts.some(isMarked) ? 'the value without quotes: here they are part of it' : undefined
}

// One pair of quotes around all of it; `"a" OR "b"` is two.
function isQuoted(text: string): boolean {
  const [first = '', last = ''] = [text[0], text.at(-1)]
  if (text.length < 2 || !QUOTES.has(first) || !QUOTES.has(last)) return false
  return first !== last || !text.slice(1, -1).includes(first) || text.includes('\\"')
}

/** The words of a list with commas; a fault says what to use instead of another separator, or of a list without a word. */
export function wordsOf(text: string): { words: string[] } | { fault: string } {
  const words = text.split(',').flatMap(word => trimmed(word) || [])
  if (words.length === 0) return text === '' ? { words } : { fault: 'at least one word beside the commas, or "none"' }
  const isJoined = (word: string) => OTHER_COMMAS.test(word) || word.search(LINE_FEEDS) >= 0
  if (words.some(isJoined)) return { fault: 'commas between the words (a label with a semicolon goes by its id)' }
  const isRow = (word: string) =>
    word.includes(' ') && word.split(/\s+/).every(one => SYSTEM_LABELS.has(one.toUpperCase()))
  return words.some(isRow) ? { fault: 'commas between the words' } : { words }
}

/** A text as messages show it: in double quotes, with what cannot be seen escaped, and not too long. */
export function shown(text: string): string {
  const whole = `"${[...text.slice(0, LONGEST_SHOWN)].map(escaped).join('')}"`
  return text.length > LONGEST_SHOWN ? `${whole}…` : whole
}

const ESCAPES = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

function escaped(character: string): string {
  if (/[\P{C}]/u.test(character) && !/[\u2028\u2029]/.test(character)) return character
  const code = character.codePointAt(0) ?? 0
  return ESCAPES.get(character) ?? `\\u${code.toString(16).padStart(4, '0')}`
}
