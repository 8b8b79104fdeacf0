interface Fault {
  code: number
  /** Google omits it from its older errors. */
  status?: string
  domain?: 'global' | 'usageLimits'
  reason: string
  message: string
  /** The text of the error's list, if Google words it differently from the message. */
  detail?: string
  location?: { location: string; locationType: 'parameter' | 'header' }
  details?: readonly object[]
  retryAfterSeconds?: number | undefined
}

/** An error answer: `code` is its HTTP status, `headers` and `body` are as Google would send them. */
export class GoogleError extends Error {
  readonly code: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string

  constructor(fault: Fault) {
    const { code, status, domain = 'global', reason, message, detail = message, location, details } = fault
    super(message)
    this.name = 'GoogleError'
    this.code = code
    this.headers = {
      'content-type': 'application/json; charset=UTF-8',
      ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
    }
    const error = {
      code,
      message,
      errors: [{ message: detail, domain, reason, ...location }],
      ...(status === undefined ? {} : { status }),
      ...(details === undefined ? {} : { details }),
    }
    this.body = JSON.stringify({ error }, null, 2)
  }
}

/** 400: a parameter, or the request itself, is wrong. */
export function invalid(message: string, parameter?: string): GoogleError {
  return new GoogleError({
    code: 400,
    status: 'INVALID_ARGUMENT',
    reason: parameter === undefined ? 'badRequest' : 'invalidParameter',
    message,
    ...(parameter === undefined ? {} : { location: { location: parameter, locationType: 'parameter' } }),
  })
}

/** 400: the request is readable, but Gmail rejects its content. */
export function refused(message: string): GoogleError {
  return new GoogleError({ code: 400, status: 'INVALID_ARGUMENT', reason: 'invalidArgument', message })
}

/** 401: the access token is missing or invalid. */
export function unauthenticated(given: boolean): GoogleError {
  return new GoogleError({
    code: 401,
    status: 'UNAUTHENTICATED',
    reason: given ? 'authError' : 'required',
    message: given
      ? 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.'
      : 'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
    detail: given ? 'Invalid Credentials' : 'Login Required.',
    location: { location: 'Authorization', locationType: 'header' },
  })
}

/** 403: the token's permissions do not suffice. */
export function forbidden(message: string): GoogleError {
  return new GoogleError({ code: 403, status: 'PERMISSION_DENIED', reason: 'forbidden', message })
}

/** 403: no scope of the token allows the method. */
export function insufficientScopes(method: string): GoogleError {
  return new GoogleError({
    code: 403,
    status: 'PERMISSION_DENIED',
    reason: 'insufficientPermissions',
    message: 'Request had insufficient authentication scopes.',
    detail: 'Insufficient Permission',
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
        domain: 'googleapis.com',
        metadata: { service: 'gmail.googleapis.com', method: `caribou.api.proto.MailboxService.${method}` },
      },
    ],
  })
}

/** 404: no such message, thread, label or path, or an expired history id. */
export function notFound(): GoogleError {
  return new GoogleError({
    code: 404,
    status: 'NOT_FOUND',
    reason: 'notFound',
    message: 'Requested entity was not found.',
  })
}

/** 409: another label has the name. */
export function conflicting(message: string): GoogleError {
  return new GoogleError({ code: 409, status: 'ABORTED', reason: 'aborted', message })
}

/** Converts any thrown value to an error answer; without an HTTP status of its own it is a 500. */
export function asGoogleError(thrown: unknown): GoogleError {
  if (thrown instanceof GoogleError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const code = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500
  if (code >= 500) return new GoogleError({ code, status: 'INTERNAL', reason: 'backendError', message })
  return new GoogleError({ code, status: 'INVALID_ARGUMENT', reason: 'badRequest', message })
}
