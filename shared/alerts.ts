import { z } from 'zod'
import { type CallKind, type MailboxId, providerOf } from './mailbox.ts'
import { traitsOf } from './provider/traits.ts'
import type { Fate } from './streams.ts'

const alertSchema = z.object({
  alert: z.enum(['fast', 'slow', 'many-calls', 'cold-cache', 'failed-parts']),
  level: z.enum(['mark', 'warning', 'error']),
  text: z.string(),
  figures: z.record(z.string(), z.number()),
})

/** A mark on a run that ended: good news (`mark`) or a problem, with its numbers in words and figures. */
export type Alert = z.infer<typeof alertSchema>

/** The numbers of a run that ended; times are in ms. */
export interface RunFigures {
  mailbox: string
  startedAt: number
  endedAt: number | undefined
  waitedMs: number
  listed: number
  fates: Readonly<Record<Fate, number>>
  context: number
  reread: number
  lost: number
  pages: number
  windows: number
  asked: number
  failed: number
  calls: Readonly<Record<CallKind, number>>
}

const SECONDS_PER_MESSAGE = 0.3
const SLOW_SECONDS = 30
const VERY_SLOW_SECONDS = 60
const SHORT_RUN = 100
const ENOUGH_MESSAGES = 50
const LEAST_HIT_RATE = 0.7
const storedSchema = z.array(alertSchema)
const COLD_HIT_RATE = 0.5
const MAX_FAILED = 0.05

/** Returns every alert that the numbers of an ended run call for; `batchSize` is how many messages a call may fetch. */
export function alertsOf(run: RunFigures, { batchSize }: { batchSize: number }): Alert[] {
  return [...ofSpeed(run), ...ofCalls(run, batchSize), ...ofCache(run), ...ofFailures(run)]
}

/** Reads stored alerts; returns none where the text cannot be parsed. */
export function readAlerts(text: string | undefined): Alert[] {
  try {
    return text === undefined ? [] : storedSchema.parse(JSON.parse(text))
  } catch {
    return []
  }
}

// Waits that the provider imposed do not count against the run.
function ofSpeed({ startedAt, endedAt = startedAt, waitedMs, listed }: RunFigures): Alert[] {
  const seconds = Math.max(0, endedAt - startedAt - waitedMs) / 1000
  const more = SECONDS_PER_MESSAGE * Math.max(0, listed - SHORT_RUN)
  const figures = { listed, seconds, waitedSeconds: waitedMs / 1000 }
  const words = `${listed} messages in ${seconds.toFixed(1)}s, excluding rate limits`
  const bounds = [
    ['error', VERY_SLOW_SECONDS + more],
    ['warning', SLOW_SECONDS + more],
  ] as const
  for (const [level, limit] of bounds) {
    const text = `the sync was slow: ${words}; ${limit.toFixed(1)}s is the limit`
    if (seconds > limit) return [{ alert: 'slow', level, text, figures: { ...figures, limit } }]
  }
  if (listed < ENOUGH_MESSAGES || seconds > SECONDS_PER_MESSAGE * listed) return []
  return [{ alert: 'fast', level: 'mark', text: `the sync reached its goal: ${words}`, figures }]
}

// Each window may end with a partial batch. Where listings go by folder, each listing call is a page of one folder.
function ofCalls({ mailbox, listed, fates, context, pages, windows, calls }: RunFigures, batchSize: number): Alert[] {
  if (listed < ENOUGH_MESSAGES) return []
  const listing = calls.list + calls.history + calls.delta
  const made = listing + calls.batch + calls.single + calls.thread
  const missing = Math.max(0, listed - fates.cached) + context
  const listedPages = traitsOf(providerOf(mailbox as MailboxId)).listsByFolder ? listing : pages
  const planned = listedPages + Math.ceil(missing / batchSize)
  if (made <= planned + Math.max(0, windows - 1)) return []
  const text = `the sync made more calls than planned: ${made} instead of ${planned} (${listedPages} pages, ${missing} messages to fetch by ${batchSize})`
  return [{ alert: 'many-calls', level: 'warning', text, figures: { made, planned, missing } }]
}

function ofCache({ reread, lost }: RunFigures): Alert[] {
  const rate = reread === 0 ? 1 : (reread - lost) / reread
  if (reread < ENOUGH_MESSAGES || rate >= LEAST_HIT_RATE) return []
  const words = `${reread - lost} of ${reread} previously cached messages are still cached (${Math.floor(rate * 100)} %)`
  const remedy = rate < COLD_HIT_RATE ? ': raise CACHE_MESSAGE_TTL, or keep busy threads warm with WARM_SHARE' : ''
  return [{ alert: 'cold-cache', level: 'warning', text: `${words}${remedy}`, figures: { reread, lost, rate } }]
}

function ofFailures({ asked, failed }: RunFigures): Alert[] {
  if (asked === 0 || failed / asked <= MAX_FAILED) return []
  const share = failed / asked
  const text = `${failed} of ${asked} requested messages failed (${Math.round(share * 100)} %), excluding rate limits`
  return [{ alert: 'failed-parts', level: 'warning', text, figures: { asked, failed, share } }]
}
