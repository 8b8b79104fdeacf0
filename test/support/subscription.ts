import type { Subscription, SubscriptionMemory } from '../../shared/provider/subscription.ts'

/** A store for a subscription during a test. */
export function heldSubscription(): SubscriptionMemory & { held: Subscription | undefined } {
  const memory = {
    held: undefined as Subscription | undefined,
    read: async () => memory.held,
    async write(subscription: Subscription | undefined) {
      memory.held = subscription
    },
  }
  return memory
}
