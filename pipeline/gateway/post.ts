import { MailError } from '../../shared/error.ts'
import type { Machine } from '../../shared/machine.ts'
import { within } from '../base/wait.ts'

/** The window for counting refused requests of an address, and for summary log lines. */
export const MINUTE_MS = 60_000

/**
 * Waits for work that must be in Redis before the answer; throws `unavailable` after `withinMs`. Work in flight may still complete, so
 * the sender's retry must be idempotent.
 */
export async function inTime<T>(work: Promise<T>, withinMs: number, machine: Machine): Promise<T> {
  const done = await within(
    work.then(value => ({ value })),
    withinMs,
    machine,
  )
  if (done) return done.value
  throw new MailError('unavailable', 'Redis does not answer in time; try again')
}

/** Parses a body as JSON; returns `undefined` when it is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
