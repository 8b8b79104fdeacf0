import { randomUUID } from 'node:crypto'

/**
 * An error of the identity platform (learn.microsoft.com/entra/identity-platform/reference-error-codes): its
 * number, its OAuth name, and its text.
 */
export interface AadError {
  number: number
  error: 'invalid_grant' | 'invalid_client' | 'invalid_request' | 'unsupported_grant_type' | 'unauthorized_client'
  message: string
}

/** Builds an error by its number; by default a refused grant. */
export function refusal(number: number, message: string, error: AadError['error'] = 'invalid_grant'): AadError {
  return { number, error, message }
}

/** Whether a value is an error. */
export function isRefusal(value: object): value is AadError {
  return 'number' in value && 'message' in value
}

/** Returns the HTTP status and body of an error. */
export function aadAnswer({ number, error, message }: AadError, nowMs: number): { status: number; body: object } {
  const [trace, correlation] = [randomUUID(), randomUUID()]
  const timestamp = `${new Date(nowMs).toISOString().slice(0, 19).replace('T', ' ')}Z`
  return {
    status: error === 'invalid_client' ? 401 : 400,
    body: {
      error,
      error_description: `AADSTS${number}: ${message} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
      error_codes: [number],
      timestamp,
      trace_id: trace,
      correlation_id: correlation,
      error_uri: `https://login.microsoftonline.com/error?code=${number}`,
    },
  }
}
