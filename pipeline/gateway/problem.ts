import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'
import { type ErrorKind, MailError } from '../../shared/error.ts'
import { isRedisError } from '../../shared/redis/connect.ts'

const STATUS: Partial<Record<ErrorKind, number>> = {
  unparsable: 400,
  unauthorized: 401,
  throttled: 429,
  unavailable: 503,
  misconfigured: 503,
}

/** What went wrong with a request: the status, the words, and how long to wait (ms) before it is tried again. */
export interface Problem {
  status: number
  detail: string
  retryAfterMs?: number | undefined
}

/** Answers that something went wrong, in one line of problem+json (RFC 9457), and closes the connection: whatever else was sent is not read. */
export function sendProblem(reply: FastifyReply, { status, detail, retryAfterMs }: Problem): FastifyReply {
  const title = STATUS_CODES[status] ?? 'Error'
  if (retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(retryAfterMs / 1000))
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(status)
    .header('connection', 'close')
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title, status, detail }))
}

/** The status and the words for anything thrown while a request was dealt with; words of others' errors are not passed on. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof MailError)
    return { status: STATUS[thrown.kind] ?? 500, detail: thrown.message, retryAfterMs: thrown.retryAfterMs }
  const { statusCode } = thrown as { statusCode?: number }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { status: statusCode, detail: STATUS_CODES[statusCode] ?? 'The request cannot be dealt with' }
  if (isRedisError(thrown)) return { status: 503, detail: 'Redis does not do what is asked of it; try again' }
  return { status: 500, detail: 'it went wrong here' }
}
