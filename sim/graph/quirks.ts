import { z } from 'zod'

/** Unusual but valid behaviour of Graph. */
export interface Quirks {
  /** A changed read flag comes as an item with only `id` and `isRead`; on by default. */
  partialReads: boolean
  /** An empty page with only a nextLink precedes each page of a delta. */
  emptyPages: boolean
  /** The share of a delta page's items, from 0 to 1, that it repeats. */
  repeats: number
  /** The items of a delta page, and the parts of a batch's answer, come in any order. */
  shuffled: boolean
  /** A message moved out of a folder is reported as deleted, not changed. */
  movesAreDeletions: boolean
  /** Flags in deltas are strings: `"isRead": "true"`, as in a sample of Microsoft's documents. */
  stringFlags: boolean
  /** The delta of folders includes a folder with only changed counts. */
  countChanges: boolean
  /** The delay in ms before a change, and its notification, appears in deltas. */
  deltaLagMs: number
}

/** The default quirks. */
export const USUAL_QUIRKS: Quirks = {
  partialReads: true,
  emptyPages: false,
  repeats: 0,
  shuffled: false,
  movesAreDeletions: false,
  stringFlags: false,
  countChanges: false,
  deltaLagMs: 0,
}

/** The JSON schema of quirks; absent ones have their default. */
export const quirksSchema = z.strictObject({
  partialReads: z.boolean().default(USUAL_QUIRKS.partialReads),
  emptyPages: z.boolean().default(USUAL_QUIRKS.emptyPages),
  repeats: z.number().min(0).max(1).default(USUAL_QUIRKS.repeats),
  shuffled: z.boolean().default(USUAL_QUIRKS.shuffled),
  movesAreDeletions: z.boolean().default(USUAL_QUIRKS.movesAreDeletions),
  stringFlags: z.boolean().default(USUAL_QUIRKS.stringFlags),
  countChanges: z.boolean().default(USUAL_QUIRKS.countChanges),
  deltaLagMs: z.number().min(0).default(USUAL_QUIRKS.deltaLagMs),
})
