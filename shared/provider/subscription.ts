/** A provider's subscription to the changes of one mailbox. */
export interface Subscription {
  id: string
  /** A digest of the options it was created with. A subscription with other options must be replaced, because it cannot be changed. */
  terms: string
}

/** Storage for the one subscription of a mailbox; its id identifies the mailbox's notifications. */
export interface SubscriptionMemory {
  read(): Promise<Subscription | undefined>
  /** Stores this subscription, or none. */
  write(subscription: Subscription | undefined): Promise<void>
}
