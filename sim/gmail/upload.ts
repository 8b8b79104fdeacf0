import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseMime } from '../mime.ts'
import { invalid, notFound } from './error.ts'
import type { Upload } from './insert.ts'
import { readJson } from './parameters.ts'

type AnswerWith = (request: FastifyRequest, reply: FastifyReply, body: unknown) => Promise<FastifyReply>

/** A resumable upload: its first request, and the data so far. */
interface Session {
  fields: unknown
  pieces: Buffer[]
}

const RESUME_INCOMPLETE = 308

/** Registers the body types of uploads: a mail, JSON and a mail, or a piece of a mail. */
export function addUploadTypes(app: FastifyInstance): void {
  // Clients send no type, or any type, for the pieces of a mail.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_: unknown, body: Buffer) => body)
  app.addContentTypeParser('multipart/related', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) =>
    readRelated(request.headers['content-type'] ?? '', body),
  )
}

/**
 * Adds a method's upload paths, under `/upload` and `/resumable/upload`. `uploadType` is `media` (only a
 * mail), `multipart` (JSON and a mail), or `resumable` (JSON first, then the mail in pieces, each a PUT to
 * the returned address).
 */
export function addUpload(app: FastifyInstance, url: string, answerWith: AnswerWith): void {
  const sessions = new Map<string, Session>()

  for (const path of [`/upload${url}`, `/resumable/upload${url}`]) {
    app.post(path, async (request, reply) => {
      const { uploadType } = request.query as Record<string, string | undefined>
      if (uploadType !== 'resumable') return answerWith(request, reply, uploadIn(request.body))
      const id = randomBytes(18).toString('base64url')
      sessions.set(id, { fields: request.body, pieces: [] })
      const address = new URL(request.url, `${request.protocol}://${request.host}`)
      address.searchParams.set('upload_id', id)
      return reply.headers({ location: address.href, 'x-guploader-uploadid': id }).send()
    })
    app.put(path, async (request, reply) => {
      const { upload_id: id = '' } = request.query as Record<string, string | undefined>
      const session = sessions.get(id)
      if (!session) throw notFound()
      if (Buffer.isBuffer(request.body)) session.pieces.push(request.body)
      const media = Buffer.concat(session.pieces)
      if (!isLast(request.headers['content-range'], media.length))
        return reply
          .code(RESUME_INCOMPLETE)
          .header('range', `bytes=0-${media.length - 1}`)
          .send()
      sessions.delete(id)
      return answerWith(request, reply, { media, fields: session.fields } satisfies Upload)
    })
  }
}

function uploadIn(body: unknown): Upload {
  if (Buffer.isBuffer(body)) return { media: body, fields: undefined }
  if (typeof body === 'object' && body !== null && 'media' in body) return body as Upload
  throw invalid('Media type is not supported. Valid media types: [message/*]')
}

// `bytes 0-99/100`; without the header the upload is one piece.
function isLast(range: string | undefined, received: number): boolean {
  const total = /\/(\d+)$/.exec(range ?? '')?.[1]
  return range === undefined || (total !== undefined && received >= Number(total))
}

function readRelated(contentType: string, body: Buffer): Upload {
  const [json, media, ...others] = parseMime(`Content-Type: ${contentType}\r\n\r\n${body.toString('latin1')}`).parts
  if (!json || !media || others.length > 0) throw invalid('Multipart must have exactly two parts: JSON and a mail.')
  return { fields: readJson(json.content().toString()), media: media.content() }
}
