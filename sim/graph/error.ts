import { randomUUID } from 'node:crypto'

/**
 * An error answer of Graph: an HTTP status, and Graph's code and message (learn.microsoft.com/graph/errors).
 */
export class GraphError extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>
  readonly inner: object

  constructor(
    status: number,
    code: string,
    message: string,
    more: { headers?: Record<string, string>; inner?: object } = {},
  ) {
    super(message)
    this.name = 'GraphError'
    this.status = status
    this.code = code
    this.headers = more.headers ?? {}
    this.inner = more.inner ?? {}
  }
}

/** Returns the body of an error. */
export function errorBody(
  { code, message, inner }: GraphError,
  { nowMs, clientRequestId }: { nowMs: number; clientRequestId?: string | undefined },
) {
  const requestId = randomUUID()
  const date = new Date(nowMs).toISOString().slice(0, 19)
  return {
    error: {
      code,
      message,
      innerError: { ...inner, date, 'request-id': requestId, 'client-request-id': clientRequestId ?? requestId },
    },
  }
}

/** 400: Graph rejects the request, or it is not simulated; the message says which. */
export function badRequest(message: string, code = 'BadRequest'): GraphError {
  return new GraphError(400, code, message)
}

/** 400: Graph supports it, but the simulator does not. */
export function notSimulated(what: string): GraphError {
  return badRequest(`${what} is not simulated.`, 'NotSimulated')
}

/** 401: the access token is missing or invalid. */
export function unauthenticated(given: boolean): GraphError {
  return new GraphError(
    401,
    'InvalidAuthenticationToken',
    given ? 'Lifetime validation failed, the token is expired.' : 'Access token is empty.',
    {
      headers: {
        'www-authenticate':
          'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"',
      },
    },
  )
}

/** 403: the token's permissions do not suffice. */
export function accessDenied(): GraphError {
  return new GraphError(403, 'ErrorAccessDenied', 'Access is denied. Check credentials and try again.')
}

/** 404: no such message or folder. */
export function notFound(): GraphError {
  return new GraphError(404, 'ErrorItemNotFound', 'The specified object was not found in the store.')
}

/** 409: another folder has the name. */
export function conflicting(message: string): GraphError {
  return new GraphError(409, 'ErrorFolderExists', message)
}

/**
 * 429: too many requests at once, or within ten minutes. `retryAfter` is the header's value, absent if
 * undefined.
 */
export function throttled(of: 'concurrency' | 'requests', retryAfter: string | undefined): GraphError {
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
  if (of === 'concurrency')
    return new GraphError(429, 'ApplicationThrottled', 'Application is over its MailboxConcurrency limit.', { headers })
  const inner = { code: '429', message: 'Please retry after', status: '429' }
  return new GraphError(429, 'TooManyRequests', 'Please retry again later.', { headers, inner })
}

/** Formats a Retry-After header: in seconds, possibly a fraction, or as a date. */
export function retryAfterIn(ms: number, form: 'seconds' | 'date', nowMs: number): string {
  if (form === 'seconds') return String(Number((ms / 1000).toFixed(3)))
  return new Date(Math.ceil((nowMs + ms) / 1000) * 1000).toUTCString()
}

/** Converts any thrown value to an error answer; without an HTTP status of its own it is a 500. */
export function asGraphError(thrown: unknown): GraphError {
  if (thrown instanceof GraphError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500
  if (status >= 500) return new GraphError(status, 'InternalServerError', message)
  return new GraphError(status, 'BadRequest', message)
}
