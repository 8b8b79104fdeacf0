import type { Subscription, SubscriptionMemory } from '../../shared/provider/subscription.ts'

/** What remembers a subscription for as long as the test lasts. */
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
