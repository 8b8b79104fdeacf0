/** A minute in milliseconds. */
export const MINUTE_MS = 60_000

/** An hour in milliseconds. */
export const HOUR_MS = 60 * MINUTE_MS

/** A day of 24 hours in milliseconds. */
export const DAY_MS = 24 * HOUR_MS

const LENGTHS = { day: 10, minute: 16, second: 19, millisecond: 23 } as const

/** Formats a time (ms since 1970) in UTC for people, such as `2024-05-06 07:08` for a minute. */
export function utcTime(ms: number, precision: keyof typeof LENGTHS): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, LENGTHS[precision])
}
