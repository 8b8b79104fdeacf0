import type { MailError } from '../error.ts'

// A provider's errors have causes of the same kinds: those of Redis are known by their identity.
const known = new WeakSet<MailError>()

/** Marks an error of Redis that can end by itself, or by what somebody does to the server. */
export function passing(error: MailError): MailError {
  known.add(error)
  return error
}

/** Whether an error was marked so. */
export function isPassing(error: MailError): boolean {
  return known.has(error)
}
