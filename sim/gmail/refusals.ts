import { GoogleError } from './error.ts'

const exhaustion = { code: 429, status: 'RESOURCE_EXHAUSTED', reason: 'rateLimitExceeded' } as const
const CONSUMER = 'projects/318000000000'

/** 429: too many concurrent requests of one user. */
export function tooMany(): GoogleError {
  return new GoogleError({ ...exhaustion, message: 'Too many concurrent requests for user' })
}

/** 429 without the name of the exceeded limit. */
export function exhausted(retryAfterSeconds?: number): GoogleError {
  return new GoogleError({
    ...exhaustion,
    message: 'Resource has been exhausted (e.g. check quota).',
    retryAfterSeconds,
  })
}

/** 429 that names its wait in the message. */
export function retryLater(until: string): GoogleError {
  return new GoogleError({
    ...exhaustion,
    message: `User-rate limit exceeded.  Retry after ${until}`,
    domain: 'usageLimits',
  })
}

/** 403 for an exhausted minute: as documented, or as the service answers. */
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
