import type { Refusal, Reservation, Spending } from './spending.ts'

/** Wraps spending with a cap of its own, in millionths of a US dollar: no request leaves whose worst case does not fit below it. */
export function capped(spending: Spending, maxMicroUsd: number): Spending {
  let left = maxMicroUsd

  return {
    async reserve(of) {
      if (of.microUsd > left) return { outcome: 'wait', untilMs: Number.POSITIVE_INFINITY, why: 'day-budget' }
      left -= of.microUsd
      const reserved = await spending.reserve(of).catch(error => {
        left += of.microUsd
        throw error
      })
      if (reserved.outcome === 'go') return counted(reserved, of.microUsd)
      left += of.microUsd
      return reserved satisfies Refusal
    },
  }

  function counted(reservation: Reservation, microUsd: number): Reservation {
    return {
      ...reservation,
      async sent() {
        const isValid = await reservation.sent()
        if (!isValid) left += microUsd
        return isValid
      },
      settle(used) {
        left += microUsd - (used?.microUsd ?? microUsd)
        return reservation.settle(used)
      },
      release() {
        left += microUsd
        return reservation.release()
      },
    }
  }
}
