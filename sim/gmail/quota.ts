import { z } from 'zod'
import { slidingWindow } from '../window.ts'
import type { GoogleError } from './error.ts'
import { type MethodName, QUOTA_TABLES, type QuotaTable } from './methods.ts'
import { exhausted, limited, retryLater, tooMany } from './refusals.ts'

/** How a spent minute is refused: the 403 that Gmail sends for its limits, the 403 its documents name, or the 429. */
export const REFUSALS = ['rate-limit', 'user-rate-limit', 'exhausted'] as const

/**
 * A quota to hold clients to. Absent limits are those of the table, `concurrent` is 50: more than others have seen pass, less than
 * they have seen refused; Google publishes none.
 */
export interface QuotaSettings {
  /** `2026` where it is absent. */
  table?: QuotaTable | undefined
  userUnitsPerMinute?: number | undefined
  projectUnitsPerMinute?: number | undefined
  /** Requests of one mailbox at a time; each part of a batch is one. */
  concurrent?: number | undefined
  refusal?: (typeof REFUSALS)[number] | undefined
  /** Whether a refusal says when to come back: in a Retry-After header, in its message, or, as is usual, not at all. */
  retryAfter?: 'none' | 'header' | 'message' | undefined
}

/** What was spent by a mailbox, or by all; refused requests spend nothing. */
export interface QuotaCounts {
  units: number
  /** Units of the last minute, by the simulator's clock. */
  minuteUnits: number
  /** Requests let in, by method; each part of a batch is one. */
  methods: Partial<Record<MethodName, number>>
  /** Requests refused: the user's minute was spent, the project's was, too many were in flight. */
  refused: { user: number; project: number; concurrent: number }
  inFlight: number
  peakConcurrent: number
}

/** The quota of a simulator: it counts always, and refuses where settings say so. */
export interface Quota {
  /** Replaces all settings; `undefined` refuses nothing. Counts stay. */
  set(settings: QuotaSettings | undefined): void
  read(): QuotaSettings | undefined
  /** Lets a request in until `leave` is called for it, or gives the error it is refused with. */
  enter(
    address: string,
    method: { name: MethodName; units: Readonly<Record<QuotaTable, number>> },
  ): GoogleError | undefined
  leave(address: string): void
  /** Without an address, of all mailboxes. */
  counts(address?: string): QuotaCounts
  /** Sets the counts to zero; minutes go on, and so does what is in flight. */
  reset(): void
}

/** Quota settings as JSON. */
export const quotaSchema = z.strictObject({
  table: z.enum(QUOTA_TABLES).optional(),
  userUnitsPerMinute: z.number().int().min(1).optional(),
  projectUnitsPerMinute: z.number().int().min(1).optional(),
  concurrent: z.number().int().min(1).optional(),
  refusal: z.enum(REFUSALS).optional(),
  retryAfter: z.enum(['none', 'header', 'message']).optional(),
})

// developers.google.com/workspace/gmail/api/reference/quota
const USER_UNITS: Readonly<Record<QuotaTable, number>> = { 2026: 6000, legacy: 15_000 }
const PROJECT_UNITS = 1_200_000
const CONCURRENT = 50
const MINUTE_MS = 60_000

/** A quota without settings. `now` dates what refusals say; `elapsedMs` moves the minutes, maybe faster. */
export function createQuota({
  now,
  elapsedMs,
  speed,
}: {
  now: () => number
  elapsedMs: () => number
  speed: number
}): Quota {
  const project = ledger()
  const users = new Map<string, ReturnType<typeof ledger>>()
  let settings: QuotaSettings | undefined

  const userOf = (address: string) => {
    const user = users.get(address) ?? ledger()
    users.set(address, user)
    return user
  }

  const refuse = (why: 'user' | 'project', freeInMs: number) => {
    // The client waits by its own clock, which may be slower than the minutes here.
    const waitMs = freeInMs / speed
    const { refusal = 'rate-limit', retryAfter = 'none' } = settings ?? {}
    if (retryAfter === 'message') return retryLater(new Date(now() + waitMs).toISOString())
    const seconds = retryAfter === 'header' ? Math.ceil(waitMs / 1000) : undefined
    return refusal === 'exhausted' ? exhausted(seconds) : limited(refusal, why, seconds)
  }

  return {
    set(next) {
      settings = next
    },
    read: () => settings,
    enter(address, { name, units: costs }) {
      const user = userOf(address)
      const { table = '2026' } = settings ?? {}
      const { userUnitsPerMinute = USER_UNITS[table], projectUnitsPerMinute = PROJECT_UNITS } = settings ?? {}
      const units = costs[table]
      const atMs = elapsedMs()
      if (settings) {
        if (user.counts.inFlight >= (settings.concurrent ?? CONCURRENT))
          return refused([user, project], 'concurrent', tooMany())
        const userFreeMs = user.minute.freeInMs(atMs, units, userUnitsPerMinute)
        if (userFreeMs > 0) return refused([user, project], 'user', refuse('user', userFreeMs))
        const projectFreeMs = project.minute.freeInMs(atMs, units, projectUnitsPerMinute)
        if (projectFreeMs > 0) return refused([user, project], 'project', refuse('project', projectFreeMs))
      }
      for (const one of [user, project]) one.enter(atMs, name, units)
      return undefined
    },
    leave(address) {
      for (const one of [userOf(address), project]) one.counts.inFlight -= 1
    },
    counts(address) {
      const { counts, minute } = address === undefined ? project : (users.get(address.toLowerCase()) ?? ledger())
      return structuredClone({ ...counts, minuteUnits: minute.used(elapsedMs()) })
    },
    reset() {
      for (const one of [project, ...users.values()]) one.reset()
    },
  }
}

function ledger() {
  const minute = slidingWindow(MINUTE_MS)
  const counts = noCounts(0)
  return {
    minute,
    counts,
    enter(atMs: number, name: MethodName, units: number) {
      minute.spend(atMs, units)
      counts.units += units
      counts.methods[name] = (counts.methods[name] ?? 0) + 1
      counts.inFlight += 1
      counts.peakConcurrent = Math.max(counts.peakConcurrent, counts.inFlight)
    },
    reset: () => Object.assign(counts, noCounts(counts.inFlight)),
  }
}

function noCounts(inFlight: number): QuotaCounts {
  const refused = { user: 0, project: 0, concurrent: 0 }
  return { units: 0, minuteUnits: 0, methods: {}, refused, inFlight, peakConcurrent: inFlight }
}

function refused(
  by: readonly { counts: QuotaCounts }[],
  why: keyof QuotaCounts['refused'],
  error: GoogleError,
): GoogleError {
  for (const { counts } of by) counts.refused[why] += 1
  return error
}
