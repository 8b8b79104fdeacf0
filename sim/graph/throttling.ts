import { z } from 'zod'
import { slidingWindow } from '../window.ts'
import { type GraphError, retryAfterIn, throttled } from './error.ts'

/**
 * Limits to enforce for each mailbox (learn.microsoft.com/graph/throttling-limits, Outlook); absent ones are
 * Microsoft's.
 */
export interface ThrottlingSettings {
  /** Concurrent requests, 4 by default. A batch counts its parts, at most four. */
  concurrent?: number | undefined
  /** Requests within ten minutes, 10,000 by default; each part of a batch counts, and so do refused ones. */
  requests?: number | undefined
  /** The format of a refusal's wait; seconds by default. */
  retryAfter?: 'seconds' | 'date' | 'none' | undefined
}

/** The usage of one mailbox or of all. */
export interface ThrottlingCounts {
  requests: number
  /** Refused requests: too many were in flight, or too many were made. */
  refused: { concurrency: number; requests: number }
  inFlight: number
  peakConcurrent: number
}

/** The admission of simultaneous requests to one mailbox. */
export interface Admission {
  /** The errors of refused requests, by position. */
  refusals: readonly (GraphError | undefined)[]
  /** Releases the places; called once the requests are answered. */
  release(): void
}

/** The limits of a simulator: it always counts, and refuses only with settings. */
export interface Throttling {
  /** Replaces all settings; `undefined` refuses nothing. Counts stay. */
  set(settings: ThrottlingSettings | undefined): void
  read(): ThrottlingSettings | undefined
  admit(address: string, requests: number): Admission
  /** Without an address, the counts of all mailboxes. */
  counts(address?: string): ThrottlingCounts
  /** Resets the counts to zero; the ten minutes and requests in flight continue. */
  reset(): void
}

/** The JSON schema of throttling settings. */
export const throttlingSchema = z.strictObject({
  concurrent: z.number().int().min(1).optional(),
  requests: z.number().int().min(1).optional(),
  retryAfter: z.enum(['seconds', 'date', 'none']).optional(),
})

const TEN_MINUTES_MS = 600_000
const CONCURRENT = 4
const REQUESTS = 10_000
const AT_ONCE = 4
// The wait that Graph names for concurrency: a moment.
const MOMENT_MS = 1000

/** Creates no limits. `now` dates refusals; `elapsedMs` drives the ten minutes, possibly faster. */
export function createThrottling(options: { now: () => number; elapsedMs: () => number; speed: number }): Throttling {
  const { now, elapsedMs, speed } = options
  const mailboxes = new Map<string, ReturnType<typeof openCounts>>()
  const all = openCounts()
  let settings: ThrottlingSettings | undefined

  const refuse = (why: 'concurrency' | 'requests', freeInMs: number) => {
    const { retryAfter = 'seconds' } = settings ?? {}
    // The client waits by its own clock, which may be slower than the ten minutes here.
    const wait = retryAfter === 'none' ? undefined : retryAfterIn(freeInMs / speed, retryAfter, now())
    return throttled(why, wait)
  }

  return {
    set(next) {
      settings = next
    },
    read: () => settings,
    admit(address, requests) {
      const mailbox = mailboxes.get(address) ?? openCounts()
      mailboxes.set(address, mailbox)
      const wanted = Math.min(requests, AT_ONCE)
      const free = settings ? Math.max(0, (settings.concurrent ?? CONCURRENT) - mailbox.counts.inFlight) : wanted
      const got = Math.min(wanted, free)
      for (const one of [mailbox, all]) one.enter(got)
      const refusals = Array.from({ length: requests }, (_, at) => {
        const atMs = elapsedMs()
        const freeInMs = settings ? mailbox.window.freeInMs(atMs, 1, settings.requests ?? REQUESTS) : 0
        mailbox.window.spend(atMs, 1)
        // Parts take turns at the free places; those without a place are refused.
        const why = freeInMs > 0 ? 'requests' : at % wanted >= got ? 'concurrency' : undefined
        for (const { counts } of [mailbox, all]) {
          counts.requests += 1
          if (why) counts.refused[why] += 1
        }
        return why && refuse(why, why === 'requests' ? freeInMs : MOMENT_MS)
      })
      return {
        refusals,
        release() {
          for (const { counts } of [mailbox, all]) counts.inFlight -= got
        },
      }
    },
    counts: address =>
      structuredClone((address === undefined ? all : (mailboxes.get(address.toLowerCase()) ?? openCounts())).counts),
    reset() {
      for (const one of [all, ...mailboxes.values()]) one.reset()
    },
  }
}

function openCounts() {
  const counts = noCounts(0)
  return {
    window: slidingWindow(TEN_MINUTES_MS),
    counts,
    enter(requests: number) {
      counts.inFlight += requests
      counts.peakConcurrent = Math.max(counts.peakConcurrent, counts.inFlight)
    },
    reset: () => Object.assign(counts, noCounts(counts.inFlight)),
  }
}

function noCounts(inFlight: number): ThrottlingCounts {
  return { requests: 0, refused: { concurrency: 0, requests: 0 }, inFlight, peakConcurrent: inFlight }
}
