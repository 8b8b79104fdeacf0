const LONGEST_WAIT_MS = 24 * 3_600_000
// Date.parse accepts almost any text as a date, often one long past.
const DATE = /^(?:[a-z]{3,9},? |\d{4}-\d\d-\d\dT)/i
const YEAR = /\d{4}/
// The longest date is a tenth of this; a header may occur more than once.
const LONGEST = 500

/** Returns the raw Retry-After header from a headers object, whatever its declared type. */
export function retryAfterIn(headers: unknown): string | undefined {
  if (typeof headers !== 'object' || headers === null || !('get' in headers)) return undefined
  const value: unknown = typeof headers.get === 'function' ? headers.get('retry-after') : undefined
  return typeof value === 'string' ? value : undefined
}

/**
 * Parses how long a provider asks to wait, in ms from `now`, at most a day. Accepts seconds, with or without a fraction and a unit, or a
 * date; the longest wait wins where a header occurs more than once. Returns `undefined` for any other text or one longer than 500
 * characters.
 */
export function waitIn(text: string | undefined, now: number): number | undefined {
  if (text === undefined || text.length > LONGEST) return undefined
  const trimmed = text.trim()
  const waits =
    DATE.test(trimmed) && YEAR.test(trimmed) ? [Date.parse(trimmed) - now] : trimmed.split(',').map(secondsIn)
  const reported = waits.filter(wait => !Number.isNaN(wait))
  return reported.length === 0 ? undefined : Math.min(LONGEST_WAIT_MS, Math.max(0, Math.ceil(Math.max(...reported))))
}

function secondsIn(text: string): number {
  const seconds = /^(\d+(?:\.\d*)?|\.\d+)(?:\s*s(?:ec(?:ond)?s?)?)?$/i.exec(text.trim())?.[1]
  return seconds === undefined ? Number.NaN : Number(seconds) * 1000
}
