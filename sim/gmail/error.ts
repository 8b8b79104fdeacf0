interface Fault {
  code: number
  status: string
  reason: string
  message: string
  /** What the error's list says where Google words it unlike the message. */
  detail?: string
  location?: { location: string; locationType: 'parameter' | 'header' }
}

/** An error answer: `code` is its HTTP status, `body` what Google would send. */
export class GoogleError extends Error {
  readonly code: number
  readonly body: { error: object }

  constructor({ code, status, reason, message, detail = message, location }: Fault) {
    super(message)
    this.name = 'GoogleError'
    this.code = code
    this.body = {
      error: { code, message, errors: [{ message: detail, domain: 'global', reason, ...location }], status },
    }
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

/** 401: no access token, or one that is not valid (any more). */
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

/** 403: the token is for another mailbox. */
export function forbidden(address: string): GoogleError {
  return new GoogleError({
    code: 403,
    status: 'PERMISSION_DENIED',
    reason: 'forbidden',
    message: `Delegation denied for ${address}`,
  })
}

/** 404: no such message, thread, label or path, or a history id older than what is kept. */
export function notFound(): GoogleError {
  return new GoogleError({
    code: 404,
    status: 'NOT_FOUND',
    reason: 'notFound',
    message: 'Requested entity was not found.',
  })
}

/** Any thrown value as an error answer; what has no HTTP status of its own is a 500. */
export function asGoogleError(thrown: unknown): GoogleError {
  if (thrown instanceof GoogleError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const code = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500
  if (code >= 500) return new GoogleError({ code, status: 'INTERNAL', reason: 'backendError', message })
  return new GoogleError({ code, status: 'INVALID_ARGUMENT', reason: 'badRequest', message })
}
