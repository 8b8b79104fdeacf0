import type { ErrorKind, MailError } from '../../shared/error.ts'
import { MINUTE_MS } from '../base/times.ts'

/** The decision on a failed input: retried after a while, parked until its mailbox is resumed, or dead-lettered. */
export type Decision = { retryInMs: number; attempt: number } | 'parked' | 'dead'

/** The retry policy; `random` returns numbers from 0 to 1. */
export interface RecoverPolicy {
  backoffFactor: number
  maxAttempts: number
  random: () => number
  /** Use at least half of each growing pause, for items that block nothing. */
  patient?: boolean
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 5 * MINUTE_MS
const UNPARSABLE_ATTEMPTS = 3

// Kinds of error that a single item of the batch can cause.
const POISONS: Readonly<Record<ErrorKind, boolean>> = {
  throttled: false,
  unavailable: false,
  unauthorized: false,
  expired: false,
  rejected: true,
  unparsable: true,
  crashed: false,
  misconfigured: false,
  unsupported: false,
}

/**
 * Decides by the error's kind. Throttled items wait without using up an attempt. Errors that need a person park the mailbox. Unavailable
 * items are retried with full jitter. Unparsable items get three attempts, because answers can be cut short. Rejected items are dead-lettered
 * at once.
 */
export function decide(error: MailError, attempt: number, policy: RecoverPolicy): Decision {
  switch (error.kind) {
    case 'throttled':
      return { retryInMs: (error.retryAfterMs ?? FIRST_WAIT_MS) + policy.random() * FIRST_WAIT_MS, attempt }
    // A person must fix the cause; the mailbox's work stays parked until then.
    case 'unauthorized':
    case 'misconfigured':
      return 'parked'
    case 'unavailable':
    case 'expired':
      return again(policy.maxAttempts)
    case 'unparsable':
      return again(Math.min(UNPARSABLE_ATTEMPTS, policy.maxAttempts))
    case 'rejected':
    case 'crashed':
    case 'unsupported':
      return 'dead'
  }

  function again(attempts: number): Decision {
    if (attempt + 1 >= attempts) return 'dead'
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * policy.backoffFactor ** attempt)
    const waitMs = policy.patient ? ((1 + policy.random()) * ceiling) / 2 : policy.random() * ceiling
    return { retryInMs: Math.max(error.retryAfterMs ?? 0, waitMs), attempt: attempt + 1 }
  }
}

/** Returns whether an item may have made its whole batch fail, so that smaller batches can isolate it. */
export function isPoisoned(error: MailError): boolean {
  return POISONS[error.kind]
}
