// A dot between a letter or digit and a last part of a name: two letters or more, or punycode.
const DOMAIN = /[\p{L}\p{N}]\.(?:xn--[a-z\d-]{1,59}|\p{L}{2,63})(?![\p{L}\p{N}])/iu
// Links that run code or carry their own content, and links to programs.
const ACTIVE = /(?<![\p{L}\p{N}])(?:javascript|vbscript|livescript|data|file|blob|intent):/iu
const CONTENT = /^(?:data|file|blob|intent):$/i
const TO_PROGRAM = /(?<![\p{L}\p{N}])(?:mailto|tel|sms|magnet):[^\s]/iu
// "f.eks." and "EE.UU." are no hosts.
const ABBREVIATION = /^\p{L}{1,2}\.\p{L}{2,3}\.$/u
const IDEOGRAPHIC_DOT = /(?<=[a-z\d])[\u3002\uff61](?=[a-z\d])/gi
const LEADING = '<([{\'"*_~|>«“‘‹（「『【《¿¡•–—#=,;:'
const TRAILING = ')]}\'"*_~|>.,;:!?…»”’›）」』】》。，、；：！？\\'
// Escapes may hold escapes.
const MOST_ROUNDS = 3
const NAMED: ReadonlyMap<string, string> = new Map([
  ['colon', ':'],
  ['sol', '/'],
  ['bsol', '\\'],
  ['period', '.'],
  ['commat', '@'],
  ['quest', '?'],
  ['num', '#'],
  ['amp', '&'],
  ['equals', '='],
  ['lowbar', '_'],
  ['hyphen', '-'],
  ['dash', '-'],
  ['percnt', '%'],
  ['tab', ''],
  ['newline', ''],
])

/** The core of a run of characters between punctuation marks. */
export interface Trimmed {
  before: string
  core: string
  after: string
}

/** Splits off the punctuation around a run of characters. */
export function trimmed(run: string): Trimmed {
  let start = 0
  let end = run.length
  while (start < end && LEADING.includes(run.charAt(start))) start++
  while (end > start && TRAILING.includes(run.charAt(end - 1))) end--
  return { before: run.slice(0, start), core: run.slice(start, end), after: run.slice(end) }
}

/** Returns whether a reader of plain text, Markdown or HTML may show a run of characters as a link or an address. */
export function mayLink(run: string): boolean {
  const view = decoded(run)
  if (view.includes('://') || isActive(view) || TO_PROGRAM.test(view)) return true
  return DOMAIN.test(view) && !ABBREVIATION.test(view)
}

/** Returns whether a link runs code or carries its own content. Such links go, even where a mail has them. */
export function isActive(text: string): boolean {
  const found = ACTIVE.exec(text)
  if (found === null) return false
  const rest = text.slice(found.index + found[0].length)
  return rest !== '' && (!CONTENT.test(found[0]) || /[,/;]/.test(rest))
}

/**
 * Returns what identifies a link or an address: equal for `http` and `https`, letter cases of the host, full-width letters, invisible
 * characters and a slash at the end. Different letters that look alike stay different.
 */
export function keyOf(text: string): string {
  const plain = plainForm(text)
  const found = /^([a-z][a-z\d+.-]{0,30}):\/\//i.exec(plain)
  const scheme = found?.[1]?.toLowerCase() ?? ''
  const rest = plain.slice(found?.[0].length ?? 0)
  const end = rest.search(/[/?#]/)
  const host = hostOf(end < 0 ? rest : rest.slice(0, end))
  const path = end < 0 ? '' : rest.slice(end)
  const key = `${host}${path}`
  return `${/^(?:https?)?$/.test(scheme) ? '' : `${scheme}://`}${key.endsWith('/') ? key.slice(0, -1) : key}`
}

function hostOf(host: string): string {
  const lower = host.toLowerCase()
  // Only other alphabets have a second notation, and parsing takes time.
  if (!/[^\p{ASCII}]/u.test(lower) || lower.includes('@')) return lower
  return URL.canParse(`http://${lower}`) ? new URL(`http://${lower}`).host : lower
}

function plainForm(text: string): string {
  return text
    .replace(/\p{Cf}/gu, '')
    .replace(IDEOGRAPHIC_DOT, '.')
    .normalize('NFKC')
}

// What a reader may make of escapes: of Markdown, of HTML and of links, up to three times over.
function decoded(run: string): string {
  let view = plainForm(run)
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = view
    view = plainForm(
      view
        .replace(/&#(?:x([\da-f]{1,6})|(\d{1,7}));?/gi, (found, hex?: string, decimal?: string) =>
          character(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16), found),
        )
        .replace(/&([a-z]{3,7});/gi, (found, name: string) => NAMED.get(name.toLowerCase()) ?? found)
        .replace(/%([2-7][\da-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        .replace(/\\(?=[!-/:-@[-`{-~])/g, ''),
    )
    if (view === before) break
  }
  return view
}

function character(code: number, otherwise: string): string {
  return code >= 0x20 && code <= 0x10ffff ? String.fromCodePoint(code) : code === 9 || code === 10 ? '' : otherwise
}
