import { z } from 'zod'
import { QUOTA_TABLES, type QuotaTable } from './methods.ts'

/** The refusal of an exhausted minute: the 403 that Gmail sends, the documented 403, or the 429. */
export const REFUSALS = ['rate-limit', 'user-rate-limit', 'exhausted'] as const

/**
 * A quota to enforce. Absent limits come from the table. `concurrent` is 50 by default, between the highest
 * accepted and the lowest refused values reported; Google publishes none.
 */
export interface QuotaSettings {
  /** `2026` by default. */
  table?: QuotaTable | undefined
  userUnitsPerMinute?: number | undefined
  projectUnitsPerMinute?: number | undefined
  /** Concurrent requests of one mailbox; each part of a batch is one. */
  concurrent?: number | undefined
  refusal?: (typeof REFUSALS)[number] | undefined
  /** How a refusal names its wait: in a Retry-After header, in its message, or, as usual, not at all. */
  retryAfter?: 'none' | 'header' | 'message' | undefined
}

/** The JSON schema of quota settings. */
export const quotaSchema = z.strictObject({
  table: z.enum(QUOTA_TABLES).optional(),
  userUnitsPerMinute: z.number().int().min(1).optional(),
  projectUnitsPerMinute: z.number().int().min(1).optional(),
  concurrent: z.number().int().min(1).optional(),
  refusal: z.enum(REFUSALS).optional(),
  retryAfter: z.enum(['none', 'header', 'message']).optional(),
})
