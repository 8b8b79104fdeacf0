import { z } from 'zod'

/** Unusual but valid behaviour of Gmail; all off by default. */
export interface Quirks {
  /** The share of history records, from 0 to 1, with only `id` and `messages`; always the same ones. */
  bareRecords: number
  /** An empty page with only a `nextPageToken` precedes each page of history. */
  emptyPages: boolean
  /** The delay in ms before a change, and its push, appears in history. */
  historyLagMs: number
  /** The content of text parts is in the charset of their headers. Otherwise it is in UTF-8, and the headers keep the sender's charset. */
  keptCharsets: boolean
  /** Text parts of more bytes come without their content, which the id of an attachment brings; 0 for none. */
  largeTextBytes: number
}

/** No quirks. */
export const NO_QUIRKS: Quirks = {
  bareRecords: 0,
  emptyPages: false,
  historyLagMs: 0,
  keptCharsets: false,
  largeTextBytes: 0,
}

/** The JSON schema of quirks; absent ones are off. */
export const quirksSchema = z.strictObject({
  bareRecords: z.number().min(0).max(1).default(NO_QUIRKS.bareRecords),
  emptyPages: z.boolean().default(NO_QUIRKS.emptyPages),
  historyLagMs: z.number().min(0).default(NO_QUIRKS.historyLagMs),
  keptCharsets: z.boolean().default(NO_QUIRKS.keptCharsets),
  largeTextBytes: z.number().int().min(0).default(NO_QUIRKS.largeTextBytes),
})

const HASH_STEP = 0.618_033_988_749_895

/** Whether a history record belongs to the bare share. */
export function isBare(recordId: number, share: number): boolean {
  // Multiples of the golden ratio spread evenly between 0 and 1.
  return (recordId * HASH_STEP) % 1 < share
}
