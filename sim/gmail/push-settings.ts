import { z } from 'zod'

/**
 * The target of pushes and the claims of their tokens. `audience` is the URL, `serviceAccount` a simulated
 * one by default.
 */
export interface PushTarget {
  url: string
  audience?: string | undefined
  serviceAccount?: string | undefined
}

/** Settings for pushes. */
export interface PushSettings {
  /** `null` or absent: publications are discarded. */
  to?: PushTarget | null | undefined
  /** The number of next notifications to lose. */
  dropNext?: number | undefined
  /** The number of next notifications to send twice, under one message id. */
  duplicateNext?: number | undefined
  /** The delay of a notification in ms. */
  delayMs?: number | undefined
}

/** The JSON schema of push settings. */
export const pushSchema = z.strictObject({
  to: z
    .strictObject({ url: z.url(), audience: z.string().optional(), serviceAccount: z.string().optional() })
    .nullable()
    .optional(),
  dropNext: z.number().int().min(0).optional(),
  duplicateNext: z.number().int().min(0).optional(),
  delayMs: z.number().min(0).optional(),
})
