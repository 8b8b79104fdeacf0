import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readHead } from '../header.ts'
import { parseHeaderValue } from '../header-value.ts'
import { parseMime } from '../mime.ts'
import { type GoogleError, invalid } from './error.ts'

/** A request inside a batch. */
export interface BatchPart {
  contentId: string | undefined
  method: string
  path: string
  headers: Record<string, string>
  body: string
}

interface PartAnswer {
  code: number
  headers: Readonly<Record<string, string>>
  body: string
}

const MAX_PARTS = 100
const BATCH_TYPE = 'multipart/mixed'
const PATHS = ['/batch', '/batch/gmail/v1']

/**
 * Adds the batch endpoints. A separate server, `parts`, answers each part with the batch's Authorization
 * unless the part has its own. Answers keep the order of the requests, each under its `response-` Content-ID.
 * `refusals` holds the errors of refused parts, by position.
 */
export function addBatch(
  app: FastifyInstance,
  {
    parts,
    refusals,
  }: { parts: FastifyInstance; refusals: (request: FastifyRequest) => readonly (GoogleError | undefined)[] },
): void {
  app.addContentTypeParser(BATCH_TYPE, { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    return readBatch(request.headers['content-type'] ?? '', body.toString('latin1'))
  })
  for (const path of PATHS) {
    app.post(path, async (request, reply) => {
      const asked = partsOfBatch(request)
      const { authorization } = request.headers
      const refused = refusals(request)
      const answers = await Promise.all(
        asked.map(async (part, index) =>
          writePart(part, refused[index] ?? (await answerPart(parts, part, authorization))),
        ),
      )
      const boundary = `batch_${randomBytes(18).toString('base64url')}`
      const body = [...answers.map(answer => `--${boundary}\r\n${answer}\r\n`), `--${boundary}--\r\n`].join('')
      return reply.type(`multipart/mixed; boundary=${boundary}`).send(body)
    })
  }
}

/**
 * Returns the parts of a request parsed as a batch; empty for any other, and for a batch with too many parts.
 */
export function partsIn(request: FastifyRequest): readonly BatchPart[] {
  const parts = allParts(request)
  return parts.length > MAX_PARTS ? [] : parts
}

function allParts({ headers, body }: FastifyRequest): readonly BatchPart[] {
  return headers['content-type']?.startsWith(BATCH_TYPE) && Array.isArray(body) ? body : []
}

function partsOfBatch(request: FastifyRequest): readonly BatchPart[] {
  const parts = allParts(request)
  if (parts.length === 0) throw invalid('Failed to parse batch request, error: no parts were found.')
  if (parts.length > MAX_PARTS)
    throw invalid(`The number of calls in this batch request exceeds the limit of ${MAX_PARTS}.`)
  return parts
}

function readBatch(contentType: string, body: string): BatchPart[] {
  if (!parseHeaderValue(contentType).params.get('boundary'))
    throw invalid('Missing boundary in the Content-Type of the batch.')
  const { parts } = parseMime(`Content-Type: ${contentType}\r\n\r\n${body}`)
  return parts.map(part => {
    const text = part.content().toString()
    const [requestLine = ''] = text.split(/\r?\n/, 1)
    const match = /^([A-Z]+) (\S+)/.exec(requestLine.trim())
    if (!match) throw invalid('Failed to parse batch request, error: a part does not begin with an HTTP request line.')
    const rest = text.slice(requestLine.length).replace(/^\r?\n/, '')
    const { headers, bodyAt } = readHead(rest)
    return {
      contentId: part.headers.find(({ name }) => name.toLowerCase() === 'content-id')?.value,
      method: match[1] ?? '',
      path: pathOf(match[2] ?? ''),
      headers: Object.fromEntries(headers.map(({ name, value }) => [name.toLowerCase(), value])),
      // Clients end a part with an extra line.
      body: rest.slice(bodyAt).trim(),
    }
  })
}

function pathOf(url: string): string {
  if (!URL.canParse(url)) return url
  const { pathname, search } = new URL(url)
  return pathname + search
}

async function answerPart(
  parts: FastifyInstance,
  { method, path, headers, body }: BatchPart,
  authorization: string | undefined,
): Promise<PartAnswer> {
  const own = headers.authorization ?? authorization
  const { 'content-type': type = 'application/json' } = headers
  const answer = await parts.inject({
    method: method as 'GET',
    url: path.startsWith('/') ? path : `/${path}`,
    headers: {
      ...(own === undefined ? {} : { authorization: own }),
      ...(body === '' ? {} : { 'content-type': type }),
    },
    ...(body === '' ? {} : { payload: body }),
  })
  const answered = answer.headers['content-type']
  return {
    code: answer.statusCode,
    headers: answered === undefined ? {} : { 'content-type': String(answered) },
    body: answer.body,
  }
}

function writePart({ contentId }: BatchPart, { code, headers, body }: PartAnswer): string {
  return [
    'Content-Type: application/http',
    ...(contentId === undefined ? [] : [`Content-ID: ${contentId.replace(/^(<?)/, '$1response-')}`]),
    '',
    `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${titleCase(name)}: ${value}`),
    'Vary: Origin',
    'Vary: X-Origin',
    'Vary: Referer',
    '',
    body,
  ].join('\r\n')
}

function titleCase(name: string): string {
  return name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
}
