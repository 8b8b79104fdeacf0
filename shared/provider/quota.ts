/** The cost of requests that are sent together: units of the provider's quota, and how many requests they count as. */
export interface Cost {
  units: number
  requests: number
}

/** How a provider refuses: too many units in this minute, or too many requests at once. */
export type Refusal = 'rate' | 'concurrency'

/** The result of a reservation: the units actually spent, and the provider's refusal, if any. */
export interface Spent {
  units: number
  refused?: Refusal
  /** How long the provider asked to wait, in ms. */
  retryAfterMs?: number
}

/**
 * The answer to a reservation: `go`, and settle it afterwards; `wait`, then ask again; or `fewer`, with the most requests to ask for at
 * once.
 */
export type Permit =
  | { permit: 'go'; settle(spent: Spent): Promise<void> }
  | { permit: 'wait'; waitMs: number }
  | { permit: 'fewer'; most: number }

/**
 * The budget of one mailbox, shared by all processes. Units are reserved before the provider is called, and unspent ones are returned on
 * settlement. An unsettled reservation expires automatically. A single request never gets `fewer`.
 */
export interface Quota {
  reserve(cost: Cost): Promise<Permit>
}
