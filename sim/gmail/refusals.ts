import { GoogleError } from './error.ts'

const exhaustion = { code: 429, status: 'RESOURCE_EXHAUSTED', reason: 'rateLimitExceeded' } as const
const CONSUMER = 'projects/318000000000'

/** 429: more requests of one user at a time than Google wants. */
export function tooMany(): GoogleError {
  return new GoogleError({ ...exhaustion, message: 'Too many concurrent requests for user' })
}

/** 429 without a word about which limit it was. */
export function exhausted(retryAfterSeconds?: number): GoogleError {
  return new GoogleError({
    ...exhaustion,
    message: 'Resource has been exhausted (e.g. check quota).',
    retryAfterSeconds,
  })
}

/** 429 that says in its message when to come back. */
export function retryLater(until: string): GoogleError {
  return new GoogleError({
    ...exhaustion,
    message: `User-rate limit exceeded.  Retry after ${until}`,
    domain: 'usageLimits',
  })
}

/** 403 for a spent minute: as the documents have it, or as the service answers. */
export function limited(
  kind: 'rate-limit' | 'user-rate-limit',
  of: 'user' | 'project',
  retryAfterSeconds?: number,
): GoogleError {
  const fault = { code: 403, domain: 'usageLimits', retryAfterSeconds } as const
  if (kind === 'user-rate-limit')
    return new GoogleError({ ...fault, reason: 'userRateLimitExceeded', message: 'User Rate Limit Exceeded' })
  const limit = of === 'user' ? 'Queries per minute per user' : 'Queries per minute'
  const consumer = `project_number:${CONSUMER.split('/')[1]}`
  return new GoogleError({
    ...fault,
    status: 'PERMISSION_DENIED',
    reason: 'rateLimitExceeded',
    message: `Quota exceeded for quota metric 'Queries' and limit '${limit}' of service 'gmail.googleapis.com' for consumer '${consumer}'.`,
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'RATE_LIMIT_EXCEEDED',
        domain: 'googleapis.com',
        metadata: { quota_metric: 'gmail.googleapis.com/default', service: 'gmail.googleapis.com', consumer: CONSUMER },
      },
    ],
  })
}
