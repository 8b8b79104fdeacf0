/** A provider's standing order to notify of one mailbox's changes. */
export interface Subscription {
  id: string
  /** What it was ordered with, digested; one that was ordered with something else is no use, for it cannot be changed. */
  terms: string
}

/** Where the one subscription of a mailbox is remembered: by its id its notifications are known to be the mailbox's. */
export interface SubscriptionMemory {
  read(): Promise<Subscription | undefined>
  /** Keeps this one from now on, or none. */
  write(subscription: Subscription | undefined): Promise<void>
}
