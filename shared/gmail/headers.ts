import { z } from 'zod'

/** The Retry-After header as it came. The Gmail library gives plain objects by its types, but node-fetch's Headers in fact. */
export function retryAfterIn(headers: unknown): string | undefined {
  const { get } = z.object({ get: z.unknown() }).catch({ get: undefined }).parse(headers)
  const value: unknown = typeof get === 'function' ? get.call(headers, 'retry-after') : undefined
  return typeof value === 'string' ? value : undefined
}
