import type { Permit, Quota } from '../../shared/provider/quota.ts'
import { MINUTE_MS } from '../base/times.ts'

/** A budget of quota units. */
export interface Allowance {
  left(): number
  take(units: number): void
}

// Longer than any caller waits, so the call fails at once.
const NOT_NOW: Permit = { permit: 'wait', waitMs: MINUTE_MS }

/** Creates an allowance that gains `unitsAMinute` up to `most`, starts full, and is local to this process. */
export function createAllowance(unitsAMinute: number, most: number, now: () => number): Allowance {
  let [units, at] = [most, now()]
  return {
    left() {
      units = Math.min(most, units + (unitsAMinute * (now() - at)) / MINUTE_MS)
      at = now()
      return units
    },
    take(taken) {
      units -= taken
    },
  }
}

/** Limits a quota for work that can wait: spends no more than the allowance, and refuses instead of waiting for other work. */
export function withinAllowance(quota: Quota, allowance: Allowance): Quota {
  return {
    async reserve(cost) {
      const left = allowance.left()
      if (cost.units > left) {
        const most = Math.floor((cost.requests * left) / cost.units)
        return cost.requests > 1 && most > 0 ? { permit: 'fewer', most } : NOT_NOW
      }
      const answer = await quota.reserve(cost)
      if (answer.permit !== 'go') return answer.permit === 'wait' ? NOT_NOW : answer
      allowance.take(cost.units)
      return {
        permit: 'go',
        async settle(spent) {
          allowance.take(spent.units - cost.units)
          await answer.settle(spent)
        },
      }
    },
  }
}
