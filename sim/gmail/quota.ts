import { slidingWindow } from '../window.ts'
import type { GoogleError } from './error.ts'
import type { MethodName, QuotaTable } from './methods.ts'
import type { QuotaSettings } from './quota-settings.ts'
import { exhausted, limited, retryLater, tooMany } from './refusals.ts'

/** The usage of one mailbox or of all; refused requests cost nothing. */
export interface QuotaCounts {
  units: number
  /** Units of the last minute, by the simulator's clock. */
  minuteUnits: number
  /** Accepted requests by method; each part of a batch is one. */
  methods: Partial<Record<MethodName, number>>
  /** Refused requests: the user's minute was exhausted, the project's was, or too many were in flight. */
  refused: { user: number; project: number; concurrent: number }
  inFlight: number
  peakConcurrent: number
}

/** The quota of a simulator: it always counts, and refuses only with settings. */
export interface Quota {
  /** Replaces all settings; `undefined` refuses nothing. Counts stay. */
  set(settings: QuotaSettings | undefined): void
  read(): QuotaSettings | undefined
  /** Admits a request until `release` is called for it, or returns the error that refuses it. */
  enter(
    address: string,
    method: { name: MethodName; units: Readonly<Record<QuotaTable, number>> },
  ): GoogleError | undefined
  release(address: string): void
  /** Without an address, the counts of all mailboxes. */
  counts(address?: string): QuotaCounts
  /** Resets the counts to zero; minutes and requests in flight continue. */
  reset(): void
}

// developers.google.com/workspace/gmail/api/reference/quota
const USER_UNITS: Readonly<Record<QuotaTable, number>> = { 2026: 6000, legacy: 15_000 }
const PROJECT_UNITS = 1_200_000
const CONCURRENT = 50
const MINUTE_MS = 60_000

/**
 * Creates a quota without settings. `now` dates refusals; `elapsedMs` drives the minutes, possibly faster.
 */
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
    release(address) {
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
