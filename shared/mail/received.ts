// What is unset says 1970 at one provider and the year 1 at another, and readers of tasks know years of four digits.
const EARLIEST_MS = Date.UTC(1971, 0, 1)
const LATEST_MS = Date.UTC(9999, 11, 31)
const LONGEST_DATE = 100

/** Whether a moment (ms since 1970) can be when a mail was received. */
export function isReceived(ms: number | undefined): ms is number {
  return ms !== undefined && ms >= EARLIEST_MS && ms <= LATEST_MS
}

/**
 * When a message was received, in ms since 1970: the first of what its provider and then its sender say that can be. Where nothing can, it is
 * when the message was read, so that it is neither lost nor of 1970; without that it is the first of what is said.
 */
export function receivedAt(said: readonly (number | undefined)[], readAt?: number): number | undefined {
  return said.find(isReceived) ?? readAt ?? said.find(ms => ms !== undefined)
}

/** A date as mails and APIs write it, in ms since 1970; `undefined` where it is none. */
export function dateIn(text: string | null | undefined): number | undefined {
  const ms = Date.parse((text ?? '').slice(0, LONGEST_DATE))
  return Number.isNaN(ms) ? undefined : ms
}
