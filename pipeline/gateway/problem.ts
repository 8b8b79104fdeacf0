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

/** The error of a request: the status, the detail, and the delay before a retry (ms). */
export interface Problem {
  status: number
  detail: string
  retryAfterMs?: number | undefined
}

/** Sends an error as one line of problem+json (RFC 9457) and closes the connection, so that the rest of the request is not read. */
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

/** Returns the problem for a thrown value; messages of foreign errors are not passed on. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof MailError)
    return { status: STATUS[thrown.kind] ?? 500, detail: thrown.message, retryAfterMs: thrown.retryAfterMs }
  const { statusCode } = thrown as { statusCode?: number }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { status: statusCode, detail: STATUS_CODES[statusCode] ?? 'The request cannot be handled' }
  if (isRedisError(thrown)) return { status: 503, detail: 'Redis is unavailable; try again' }
  return { status: 500, detail: 'internal error' }
}
