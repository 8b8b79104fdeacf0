import { MailError } from '../../shared/error.ts'
import { within } from '../base/wait.ts'

/** In which the refused requests of an address are counted, and what is told of them. */
export const MINUTE_MS = 60_000

/**
 * Waits for what is to be in Redis before it is answered; throws `unavailable` when that takes longer. What is still under way may
 * happen all the same: what comes again must do no harm.
 */
export async function inTime<T>(work: Promise<T>, withinMs: number): Promise<T> {
  const done = await within(
    work.then(value => ({ value })),
    withinMs,
  )
  if (done) return done.value
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
