import { z } from 'zod'

/** What Graph does now and then and is allowed to. */
export interface Quirks {
  /** A changed read flag comes as an item with nothing but `id` and `isRead`: on unless it is set off. */
  partialReads: boolean
  /** Each page of a delta comes after an empty one that has only a nextLink. */
  emptyPages: boolean
  /** The share of a delta page's items, from 0 to 1, that come a second time on it. */
  repeats: number
  /** The items of a delta page, and the parts of a batch's answer, come in any order. */
  shuffled: boolean
  /** A message that was moved out of a folder is said to be deleted, not changed. */
  movesAreDeletions: boolean
  /** Flags in deltas are written as strings: `"isRead": "true"`, as a sample in Microsoft's documents has it. */
  stringFlags: boolean
  /** A folder of which only the counts changed comes in the delta of folders, too. */
  countChanges: boolean
  /** How long a change stays out of deltas after it was made, and after its notification, in ms. */
  deltaLagMs: number
}

/** What is odd from the start. */
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

/** Quirks as JSON; what is absent is as it is from the start. */
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
