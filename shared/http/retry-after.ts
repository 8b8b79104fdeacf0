import { z } from 'zod'

const LONGEST_WAIT_MS = 24 * 3_600_000

/** The Retry-After header as it came, from headers that can be asked, whatever their type says. */
export function retryAfterIn(headers: unknown): string | undefined {
  const { get } = z.object({ get: z.unknown() }).catch({ get: undefined }).parse(headers)
  const value: unknown = typeof get === 'function' ? get.call(headers, 'retry-after') : undefined
  return typeof value === 'string' ? value : undefined
}

/**
 * How long a provider asks to wait, in ms from `now`: seconds, with or without a fraction and a unit, or a date; a day at most.
 * `undefined` where the text is neither.
 */
export function waitIn(text: string | undefined, now: number): number | undefined {
  const trimmed = text?.trim()
  if (!trimmed) return undefined
  const seconds = /^(\d*\.?\d+)(?:\s*s(?:ec(?:ond)?s?)?)?$/i.exec(trimmed)?.[1]
  const wait = seconds === undefined ? Date.parse(trimmed) - now : Number(seconds) * 1000
  return Number.isNaN(wait) ? undefined : Math.min(LONGEST_WAIT_MS, Math.max(0, Math.ceil(wait)))
}
