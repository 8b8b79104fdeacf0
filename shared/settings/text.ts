/** The kind of a setting's text: one `word`, a comma-separated `list`, a Gmail `search`, or `lines`. */
export type TextKind = 'word' | 'list' | 'search' | 'lines'

const QUOTES = new Set('"\'`“”„‟‘’‚‛«»')
// At the edges of a value these come from editors and web pages, never on purpose.
const BLANKS = new Set([...'\u0085\u200b\u2060\ufeff\u0000'])
const INVISIBLE = /[\p{Cc}\u200b\u2028-\u202e\u2060-\u2069\ufeff]/u
// $HOME/data, redis://$HOST, %APPDATA% and $(cat file), as a shell would have replaced them; a secret may hold such signs further in.
const UNREPLACED = /^(?:\$\(|(?:[a-z]{1,10}:\/\/)?\$[A-Z][A-Z\d_]{1,60}(?:[/\\:@]|$)|%[A-Z][A-Z\d_]{1,60}%(?:[/\\]|$))/
const LINE_FEEDS = /[\r\n\t]/g
const OTHER_COMMAS = /[;；，、،؛]/
// Words without commas are one label with spaces, unless each word is a system label of Gmail.
const SYSTEM_LABELS = new Set(['INBOX', 'SENT', 'DRAFT', 'DRAFTS', 'SPAM', 'TRASH', 'BIN', 'CHAT', 'CHATS'])
const BETWEEN = /[\s|:/&+]/
const BRACKETS: ReadonlyMap<string, string> = new Map([
  ['[', ']'],
  ['(', ')'],
  ['{', '}'],
])
const LONGEST_SHOWN = 200

/** Trims white space and invisible characters; returns an empty text where nothing else is in it. Runs in linear time. */
export function trimmed(text: string): string {
  const isBlank = (at: number) => BLANKS.has(text[at] ?? '') || (text[at] ?? '').trim() === ''
  let [start, end] = [0, text.length]
  while (start < end && isBlank(start)) start += 1
  while (end > start && isBlank(end - 1)) end -= 1
  return text.slice(start, end)
}

/**
 * Returns what to use instead of a trimmed text with marks of a shell, a file or a form: quotes, a comment, its own name, an unexpanded
 * variable, or invisible characters. Returns `undefined` for a clean text. Never repeats the text: it may be a secret.
 */
export function markIn(text: string, name: string, kind: TextKind = 'word'): string | undefined {
  if ((name !== '' && text.startsWith(`${name}=`)) || text.startsWith(`export ${name}=`))
    return `only what follows "${name}="`
  if (kind === 'lines') return isQuoted(text) ? 'the value without quotes: here they are part of it' : undefined
  if (/\s#(\s|$)/.test(text)) return 'the value without the comment behind it: here it is part of the value'
  if (/\$\{[^$}]{1,100}\}/.test(text)) return 'the value itself: a variable with $ and braces is not replaced here'
  if (kind !== 'search' && UNREPLACED.test(text)) return 'the value itself: a variable or command is not replaced here'
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

// One pair of quotes around the whole text; `"a" OR "b"` has two pairs.
function isQuoted(text: string): boolean {
  const [first = '', last = ''] = [text[0], text.at(-1)]
  if (text.length < 2 || !QUOTES.has(first) || !QUOTES.has(last)) return false
  return first !== last || !text.slice(1, -1).includes(first) || text.includes('\\"')
}

/** Splits a comma-separated list. A fault says what to use instead of another separator or an empty list. */
export function wordsOf(text: string): { words: string[] } | { fault: string } {
  const words = text.split(',').flatMap(word => trimmed(word) || [])
  if (words.length === 0) return text === '' ? { words } : { fault: 'at least one word beside the commas, or "none"' }
  const isJoined = (word: string) => OTHER_COMMAS.test(word) || word.search(LINE_FEEDS) >= 0
  if (words.some(isJoined)) return { fault: 'commas between the words (a label with a semicolon goes by its id)' }
  const isRow = (word: string) => {
    const parts = word.split(BETWEEN).filter(Boolean)
    return parts.length > 1 && parts.every(one => SYSTEM_LABELS.has(one.toUpperCase()))
  }
  if (words.some(isRow)) return { fault: 'commas between the words' }
  return areInBrackets(words) ? { fault: 'the words without brackets around them' } : { words }
}

// "[SPAM, TRASH]" is how programs write lists; a label such as "[Clients]" is one.
function areInBrackets(words: readonly string[]): boolean {
  const [first = '', last = ''] = [words[0], words.at(-1)]
  const closing = BRACKETS.get(first.charAt(0))
  if (closing === undefined || !last.endsWith(closing)) return false
  return words.length > 1 ? !first.includes(closing) : SYSTEM_LABELS.has(first.slice(1, -1).trim().toUpperCase())
}

/** Formats a text for messages: in double quotes, with invisible characters escaped, and cut to a limit. */
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
