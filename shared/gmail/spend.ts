import type { Answer } from '../http/answer.ts'
import type { Spent } from '../provider/quota.ts'
import { errorOf, refusalOf } from './errors.ts'

/** Returns the quota effect of one or several answers; refused requests cost nothing. */
export function spentOn(answers: readonly { answer: Answer; units: number }[], now: () => number): Spent {
  let spent: Spent = { units: 0 }
  for (const { answer, units } of answers) {
    const refused = refusalOf(answer)
    if (refused === undefined) spent = { ...spent, units: spent.units + units }
    else {
      const asked = errorOf(answer, '', { now }).retryAfterMs
      const retryAfterMs = Math.max(spent.retryAfterMs ?? 0, asked ?? 0)
      // An exhausted minute outweighs a concurrency limit.
      const worse = spent.refused === 'rate' ? 'rate' : refused
      spent = { ...spent, refused: worse, ...(retryAfterMs > 0 ? { retryAfterMs } : {}) }
    }
  }
  return spent
}
