import { z } from 'zod'
import { slidingWindow } from '../window.ts'
import { type GraphError, retryAfterIn, throttled } from './error.ts'

/** Limits to hold clients to (learn.microsoft.com/graph/throttling-limits, Outlook), for each mailbox; absent ones are Microsoft's. */
export interface ThrottlingSettings {
  /** Requests at a time, 4 where it is absent; a batch is as many as it has parts, and four at most. */
  concurrent?: number | undefined
  /** Requests within ten minutes, 10,000 where it is absent; each part of a batch is one, and so is what is refused. */
  requests?: number | undefined
  /** How a refusal says when to come back; in seconds where it is absent. */
  retryAfter?: 'seconds' | 'date' | 'none' | undefined
}

/** What a mailbox, or all, were asked for. */
export interface ThrottlingCounts {
  requests: number
  /** Requests refused: too many were in flight, too many were made. */
  refused: { concurrency: number; requests: number }
  inFlight: number
  peakConcurrent: number
}

/** What was let in of requests to one mailbox that come together. */
export interface Admission {
  /** By position: the error a request is refused with. */
  refusals: readonly (GraphError | undefined)[]
  /** To be called once they are answered. */
  leave(): void
}

/** The limits of a simulator: it counts always, and refuses where settings say so. */
export interface Throttling {
  /** Replaces all settings; `undefined` refuses nothing. Counts stay. */
  set(settings: ThrottlingSettings | undefined): void
  read(): ThrottlingSettings | undefined
  admit(address: string, requests: number): Admission
  /** Without an address, of all mailboxes. */
  counts(address?: string): ThrottlingCounts
  /** Sets the counts to zero; the ten minutes go on, and so does what is in flight. */
  reset(): void
}

/** Throttling settings as JSON. */
export const throttlingSchema = z.strictObject({
  concurrent: z.number().int().min(1).optional(),
  requests: z.number().int().min(1).optional(),
  retryAfter: z.enum(['seconds', 'date', 'none']).optional(),
})

const TEN_MINUTES_MS = 600_000
const CONCURRENT = 4
const REQUESTS = 10_000
const AT_ONCE = 4
// What Graph says for concurrency: come back in a moment.
const MOMENT_MS = 1000

/** No limits. `now` dates what refusals say; `elapsedMs` moves the ten minutes, maybe faster. */
export function createThrottling(options: { now: () => number; elapsedMs: () => number; speed: number }): Throttling {
  const { now, elapsedMs, speed } = options
  const mailboxes = new Map<string, ReturnType<typeof openCounts>>()
  const all = openCounts()
  let settings: ThrottlingSettings | undefined

  const refuse = (why: 'concurrency' | 'requests', freeInMs: number) => {
    const { retryAfter = 'seconds' } = settings ?? {}
    // The client waits by its own clock, which may be slower than the ten minutes here.
    const said = retryAfter === 'none' ? undefined : retryAfterIn(freeInMs / speed, retryAfter, now())
    return throttled(why, said)
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
        // Parts take turns at the places there are; those whose turn has no place are refused.
        const why = freeInMs > 0 ? 'requests' : at % wanted >= got ? 'concurrency' : undefined
        for (const { counts } of [mailbox, all]) {
          counts.requests += 1
          if (why) counts.refused[why] += 1
        }
        return why && refuse(why, why === 'requests' ? freeInMs : MOMENT_MS)
      })
      return {
        refusals,
        leave() {
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
