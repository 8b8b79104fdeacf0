/** What requests that are sent together will cost: units of the provider's quota, and how many requests they count as. */
export interface Cost {
  units: number
  requests: number
}

/** How a provider refuses: too much in this minute, or too many requests at once. */
export type Refusal = 'rate' | 'concurrency'

/** What came of what was reserved: the units that were spent after all, and what the provider refused, if it did. */
export interface Spent {
  units: number
  refused?: Refusal
  /** How long the provider asked to wait, in milliseconds. */
  retryAfterMs?: number
}

/** The answer to a reservation: go, and settle it afterwards; wait so long and ask again; or ask for `most` requests at once at most. */
export type Permit =
  | { permit: 'go'; settle(spent: Spent): Promise<void> }
  | { permit: 'wait'; waitMs: number }
  | { permit: 'fewer'; most: number }

/**
 * What may be spent on one mailbox, by all processes together. Units are taken before the provider is asked, and what was not spent is
 * given back when the reservation is settled; one that is never settled runs out by itself. One request alone is never told `fewer`.
 */
export interface Quota {
  reserve(cost: Cost): Promise<Permit>
}
