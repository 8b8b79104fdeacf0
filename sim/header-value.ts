/**
 * A header such as `text/plain; charset=utf-8`: the value in lower case, and the parameters by lower-case
 * name.
 */
export interface HeaderValue {
  value: string
  params: ReadonlyMap<string, string>
}

// Some programs omit the semicolon.
const PARAMETER = /(?:;|(?<![;\s])\s)\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)/g

/** Parses a value with parameters, including RFC 2231 continuations and charsets; never throws. */
export function parseHeaderValue(text: string): HeaderValue {
  const value = (text.trim().split(/[;\s]/, 1)[0] ?? '').toLowerCase()
  const params = new Map<string, string>()
  const pieces = new Map<string, Piece[]>()
  for (const [, name = '', written = ''] of text.matchAll(PARAMETER)) {
    const match = /^([^*]+)\*(?:(\d+)(\*)?)?$/.exec(name)
    if (!match) {
      params.set(name.toLowerCase(), unquote(written))
      continue
    }
    const base = (match[1] ?? '').toLowerCase()
    const encoded = match[2] === undefined || match[3] !== undefined
    pieces.set(base, [...(pieces.get(base) ?? []), { order: Number(match[2] ?? 0), encoded, text: unquote(written) }])
  }
  for (const [name, found] of pieces) params.set(name, joinPieces(found))
  return { value, params }
}

interface Piece {
  order: number
  encoded: boolean
  text: string
}

function unquote(written: string): string {
  const text = written.trim()
  return text.startsWith('"') ? text.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : text
}

function joinPieces(pieces: readonly Piece[]): string {
  const [first, ...rest] = [...pieces].sort((a, b) => a.order - b.order)
  if (!first) return ''
  const lead = first.encoded ? /^([^']*)'[^']*'(.*)$/s.exec(first.text) : null
  const inOrder = lead ? [{ ...first, text: lead[2] ?? '' }, ...rest] : [first, ...rest]
  const bytes = Buffer.concat(inOrder.map(({ encoded, text }) => (encoded ? percentDecode(text) : Buffer.from(text))))
  try {
    return new TextDecoder(lead?.[1] || 'utf-8').decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}

function percentDecode(text: string): Buffer {
  const bytes = Buffer.from(text).toString('latin1')
  const decoded = bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(decoded, 'latin1')
}
