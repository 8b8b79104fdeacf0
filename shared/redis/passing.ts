import type { MailError } from '../error.ts'

// Provider errors have causes of the same kinds, so errors of Redis are recognised by identity.
const known = new WeakSet<MailError>()

/** Marks an error of Redis that may end without a change here, or after a fix on the server. */
export function passing(error: MailError): MailError {
  known.add(error)
  return error
}

/** Returns whether an error was marked as passing. */
export function isPassing(error: MailError): boolean {
  return known.has(error)
}
