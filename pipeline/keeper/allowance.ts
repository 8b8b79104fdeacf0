import type { Permit, Quota } from '../../shared/provider/quota.ts'

/** Units that may be spent, and how many are left now. */
export interface Allowance {
  left(): number
  take(units: number): void
}

// Longer than anybody waits for a turn: it is given up at once.
const NOT_NOW: Permit = { permit: 'wait', waitMs: 60_000 }

/** An allowance of `unitsAMinute` that adds up to `most` and is full at first, in this process alone. */
export function createAllowance(unitsAMinute: number, most: number, now: () => number): Allowance {
  let [units, at] = [most, now()]
  return {
    left() {
      units = Math.min(most, units + (unitsAMinute * (now() - at)) / 60_000)
      at = now()
      return units
    },
    take(taken) {
      units -= taken
    },
  }
}

/** The same quota for work that can wait: it spends no more than the allowance, and has no turn where others make it wait. */
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
