/** One request of a batch: the Content-ID of its answer, and the path and query of a GET. */
export interface BatchRequest {
  contentId: string
  path: string
}

/**
 * One part of a batch answer. `contentId` has no brackets and no `response-`; it is empty if the part has
 * none. `status` is 0 if the part has no status line. `headers` have lower-case names. `body` is trimmed
 * text, often JSON.
 */
export interface Part {
  contentId: string
  status: number
  headers: ReadonlyMap<string, string>
  body: string
}

/**
 * The part that answers each request. `proven` means that the answer's ids match the requested ids exactly,
 * each once.
 */
export interface Matched {
  parts: ReadonlyMap<string, Part>
  proven: boolean
}

const CRLF = '\r\n'
// No line of a request can start with it: header names and methods do not start with a dash.
const BOUNDARY = 'batch_mailsluice'
// A boundary has at most 70 characters (RFC 2046 5.1.1).
const LONGEST_CONTENT_TYPE = 1000

/** Encodes requests as one multipart/mixed body, as developers.google.com/gmail/api/guides/batch requires. */
export function encodeBatch(requests: readonly BatchRequest[]): { contentType: string; body: string } {
  const parts = requests.map(({ contentId, path }) =>
    [`--${BOUNDARY}`, 'Content-Type: application/http', `Content-ID: <${contentId}>`, '', `GET ${path}`, '', ''].join(
      CRLF,
    ),
  )
  return { contentType: `multipart/mixed; boundary=${BOUNDARY}`, body: `${parts.join('')}--${BOUNDARY}--${CRLF}` }
}

/**
 * Reads as much of a batch answer as possible and never throws. Accepts any line endings, text before and
 * after, parts without a body or without JSON, and truncated answers. An unreadable part keeps its position.
 * An unreadable answer gives no parts.
 */
export function parseBatch(contentType: string | undefined, body: string): readonly Part[] {
  const lines = body.split(/\r?\n/)
  const named = boundaryIn(contentType)
  const boundary =
    named !== undefined && lines.some(line => isDelimiter(line, named))
      ? named
      : lines
          .find(line => /^--\S/.test(line))
          ?.trimEnd()
          .slice(2)
  if (boundary === undefined) return []
  const parts: string[][] = []
  let part: string[] | undefined
  for (const line of lines) {
    if (line.trimEnd() === `--${boundary}--`) break
    if (isDelimiter(line, boundary)) {
      part = []
      parts.push(part)
    } else part?.push(line)
  }
  return parts.map(parsePart)
}

/**
 * Finds each request's part by its Content-ID. Parts with an unknown id are dropped. Parts that claim the
 * same request are dropped too, because none is known to be right. Order decides only if no part has its own
 * id and none is missing.
 */
export function matchParts(contentIds: readonly string[], parts: readonly Part[]): Matched {
  const asked = new Set(contentIds)
  const given = new Set(parts.map(part => part.contentId))
  const [only = ''] = given
  if (given.size === 1 && !asked.has(only) && parts.length === contentIds.length) {
    return { parts: new Map(parts.map((part, index) => [contentIds[index] ?? '', part])), proven: false }
  }
  const found = new Map<string, Part>()
  const disputed = new Set<string>()
  for (const part of parts.filter(({ contentId }) => asked.has(contentId))) {
    if (found.has(part.contentId)) disputed.add(part.contentId)
    found.set(part.contentId, part)
  }
  for (const id of disputed) found.delete(id)
  return { parts: found, proven: found.size === asked.size && parts.length === asked.size }
}

function parsePart(lines: readonly string[]): Part {
  const statusAt = lines.findIndex(line => /^HTTP\/\d/i.test(line))
  const head = statusAt < 0 ? lines : lines.slice(0, statusAt)
  const outer = headersOf(head)
  const contentId = idOf(outer.get('content-id') ?? '')
  const reported = /^HTTP\/[\d.]+\s+(\d{3})(?:\s|$)/i.exec(lines[statusAt] ?? '')?.[1]
  const status = isHead(head) ? Number(reported ?? 0) : 0
  if (status === 0) return { contentId, status, headers: new Map(), body: '' }
  const inner = lines.slice(statusAt + 1)
  const blankAt = inner.findIndex(line => line.trim() === '')
  const headers = headersOf(blankAt < 0 ? inner : inner.slice(0, blankAt))
  return { contentId, status, headers, body: blankAt < 0 ? '' : inner.slice(blankAt).join('\n').trim() }
}

// A damaged line can hide the end of a part, so that two parts run together. The status found then belongs to
// the second one.
function isHead(lines: readonly string[]): boolean {
  const ids = lines.filter(line => /^content-id\s*:/i.test(line))
  return ids.length <= 1 && lines.every(line => line.trim() === '' || /^[^\s:]+\s*:|^[ \t]+\S/.test(line))
}

function headersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  let last: string | undefined
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).trimEnd()
    if (name !== '' && !/\s/.test(name)) {
      last = name.toLowerCase()
      if (!headers.has(last)) headers.set(last, line.slice(colon + 1).trim())
    } else if (last !== undefined && /^[ \t]+\S/.test(line)) headers.set(last, `${headers.get(last)} ${line.trim()}`)
  }
  return headers
}

function idOf(header: string): string {
  return header
    .trim()
    .replace(/^<(.*)>$/, '$1')
    .replace(/^response-/, '')
}

function boundaryIn(contentType: string | undefined): string | undefined {
  const text = contentType?.slice(0, LONGEST_CONTENT_TYPE) ?? ''
  const match = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(text)
  return match?.[1]?.replace(/\\(.)/g, '$1') ?? match?.[2]
}

function isDelimiter(line: string, boundary: string): boolean {
  return line.trimEnd() === `--${boundary}`
}
