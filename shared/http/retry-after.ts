import { z } from 'zod'

const LONGEST_WAIT_MS = 24 * 3_600_000
// Date.parse reads a date into almost anything, and nobody would wait for one that is long past.
const DATE = /^(?:[a-z]{3,9},? |\d{4}-\d\d-\d\dT)/i
const YEAR = /\d{4}/
// The longest date is a tenth of it; a header may come more than once.
const LONGEST = 500

/** The Retry-After header as it came, from headers that can be asked, whatever their type says. */
export function retryAfterIn(headers: unknown): string | undefined {
  const { get } = z.object({ get: z.unknown() }).catch({ get: undefined }).parse(headers)
  const value: unknown = typeof get === 'function' ? get.call(headers, 'retry-after') : undefined
  return typeof value === 'string' ? value : undefined
}

/**
 * How long a provider asks to wait, in ms from `now`: seconds, with or without a fraction and a unit, or a date; the longest where a header came
 * more than once; a day at most. `undefined` where the text is neither, or longer than 500 characters.
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
