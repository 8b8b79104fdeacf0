import type { ErrorKind, MailError } from '../../shared/error.ts'

/** What happens to an input that could not be done: it is tried again after a while, waits until its mailbox is resumed, or is given up. */
export type Decision = { retryInMs: number; attempt: number } | 'parked' | 'dead'

/** How failures are met; `random` gives numbers from 0 to 1. */
export interface RecoverPolicy {
  backoffFactor: number
  maxAttempts: number
  random: () => number
  /** The pauses grow steadily, and not by chance alone: nobody waits for the item. */
  patient?: boolean
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 5 * 60_000
const UNPARSABLE_ATTEMPTS = 3

// Whether an error of this kind is about something in the batch.
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
 * Decides by the error's kind. Being throttled waits and uses up no attempt; what needs a person parks the mailbox; what is unavailable is tried again with
 * full jitter; what is unparsable gets a few attempts, for answers can be cut short; what is refused is given up at once.
 */
export function decide(error: MailError, attempt: number, policy: RecoverPolicy): Decision {
  switch (error.kind) {
    case 'throttled':
      return { retryInMs: (error.retryAfterMs ?? FIRST_WAIT_MS) + policy.random() * FIRST_WAIT_MS, attempt }
    // Somebody has to mend it first; the mailbox's work keeps until then.
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

/** Whether a whole batch failed because of something in it, so that smaller batches can find out what. */
export function isPoisoned(error: MailError): boolean {
  return POISONS[error.kind]
}
