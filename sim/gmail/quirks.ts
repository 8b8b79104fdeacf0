import { z } from 'zod'

/** What Gmail does now and then and is allowed to. All are off until they are set. */
export interface Quirks {
  /** The share of history records, from 0 to 1, that hold only `id` and `messages`; which ones is the same each time. */
  bareRecords: number
  /** Each page of history comes after an empty one that has only a `nextPageToken`. */
  emptyPages: boolean
  /** How long a change stays out of history after it was made, and after its push, in ms. */
  historyLagMs: number
}

/** Nothing odd. */
export const NO_QUIRKS: Quirks = { bareRecords: 0, emptyPages: false, historyLagMs: 0 }

/** Quirks as JSON; what is absent is off. */
export const quirksSchema = z.strictObject({
  bareRecords: z.number().min(0).max(1).default(NO_QUIRKS.bareRecords),
  emptyPages: z.boolean().default(NO_QUIRKS.emptyPages),
  historyLagMs: z.number().min(0).default(NO_QUIRKS.historyLagMs),
})

const HASH_STEP = 0.618_033_988_749_895

/** Whether a history record is one of the share that is bare. */
export function isBare(recordId: number, share: number): boolean {
  // Multiples of the golden ratio spread evenly between 0 and 1.
  return (recordId * HASH_STEP) % 1 < share
}
