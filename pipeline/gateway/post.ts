import { MailError } from '../../shared/error.ts'
import { within } from '../wait.ts'

/** In which the requests of an address, and what is told of refusals, are counted. */
export const MINUTE_MS = 60_000

/** Has at most so many a minute told: a flood of forged requests must not become a flood of lines. */
export function atMost(times: number, now: () => number): (tell: () => void) => void {
  let since = 0
  let told = 0
  return tell => {
    if (now() - since >= MINUTE_MS) {
      since = now()
      told = 0
    }
    told += 1
    if (told <= times) tell()
  }
}

/**
 * Waits for what is to be in Redis before it is answered; throws `unavailable` when that takes longer. What is still under way may
 * happen all the same: what comes again must do no harm.
 */
export async function inTime(work: Promise<unknown>, withinMs: number): Promise<void> {
  if (
    await within(
      work.then(() => true),
      withinMs,
    )
  )
    return
  throw new MailError('unavailable', 'Redis does not answer in time; try again')
}

/** A body as JSON, or `undefined` when it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
