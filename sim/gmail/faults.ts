import { z } from 'zod'
import { randomFrom } from '../random.ts'

/**
 * What can go wrong, with each its probability: with whole answers, with parts of a batch, and with the answer to a batch. `slow` makes an
 * answer drip; the `html-` kinds come from a server before Gmail's, which writes no JSON.
 */
export const WHOLE_FAULTS = [
  'reset',
  'throttled-until',
  'throttled',
  'rate-limit',
  'user-rate-limit',
  'server-error',
  'unavailable',
  'token-expired',
  'html-throttled',
  'html-unavailable',
] as const
export const PART_FAULTS = ['part-throttled', 'part-error', 'part-token-expired'] as const
/** In the order in which they spoil an answer, should several strike. */
export const BATCH_FAULTS = [
  'shuffled',
  'unusable-ids',
  'missing-part',
  'part-not-json',
  'part-without-body',
  'malformed',
  'truncated',
] as const
export const FAULT_KINDS = [...WHOLE_FAULTS, ...PART_FAULTS, ...BATCH_FAULTS, 'slow'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault for a while: `rate` is its probability from 0 to 1 until the simulator's clock says `untilMs` (ms since 1970). */
export interface FaultBurst {
  kind: FaultKind
  rate: number
  untilMs: number
}

/** What goes wrong from now on: the probability of each kind, from 0 to 1, and bursts on top of it; the higher rate counts. */
export interface FaultSettings {
  rates?: Partial<Record<FaultKind, number>> | undefined
  bursts?: readonly FaultBurst[] | undefined
  /** What Retry-After says, in seconds, which may be a fraction; 1 where it is absent. */
  retryAfterSeconds?: number | undefined
  /** How long an answer drips that is `slow`, in ms; 2000 where it is absent. */
  dripMs?: number | undefined
  /** Starts the draws anew: the same seed gives the same draws in the same order. */
  seed?: number | undefined
}

/** The faults of a simulator; without settings there are none. */
export interface Faults {
  /** Replaces all settings. */
  set(settings: FaultSettings): void
  /** The settings in force, without bursts that are over. */
  read(): {
    rates: Partial<Record<FaultKind, number>>
    bursts: readonly FaultBurst[]
    retryAfterSeconds: number
    dripMs: number
  }
  /** How often each kind has struck since the simulator started. */
  counts(): Record<FaultKind, number>
  /** The first of these kinds that strikes now, if one does. */
  draw<Kind extends FaultKind>(kinds: readonly Kind[]): Kind | undefined
  /** The next number, from 0 up to 1, of the generator behind the draws. */
  random(): number
}

const RETRY_AFTER_SECONDS = 1
const DRIP_MS = 2000
const LONGEST_DRIP_MS = 300_000

const rate = z.number().min(0).max(1)
const kind = z.enum(FAULT_KINDS)

/** Fault settings as JSON. */
export const faultsSchema = z.strictObject({
  rates: z.partialRecord(kind, rate).optional(),
  bursts: z.array(z.strictObject({ kind, rate, untilMs: z.number() })).optional(),
  retryAfterSeconds: z.number().min(0).optional(),
  dripMs: z.number().min(0).max(LONGEST_DRIP_MS).optional(),
  seed: z.number().int().optional(),
})

/** No faults yet; `now` tells when a burst is over. */
export function createFaults(now: () => number): Faults {
  const struck = Object.fromEntries(FAULT_KINDS.map(one => [one, 0])) as Record<FaultKind, number>
  let random = randomFrom(1)
  let rates: Partial<Record<FaultKind, number>> = {}
  let bursts: readonly FaultBurst[] = []
  let retryAfterSeconds = RETRY_AFTER_SECONDS
  let dripMs = DRIP_MS

  const active = () => bursts.filter(({ untilMs }) => untilMs > now())
  const rateOf = (one: FaultKind) => Math.max(rates[one] ?? 0, ...active().map(b => (b.kind === one ? b.rate : 0)))

  return {
    set(settings) {
      rates = settings.rates ?? {}
      bursts = settings.bursts ?? []
      retryAfterSeconds = settings.retryAfterSeconds ?? RETRY_AFTER_SECONDS
      dripMs = settings.dripMs ?? DRIP_MS
      if (settings.seed !== undefined) random = randomFrom(settings.seed)
    },
    read: () => ({ rates, bursts: active(), retryAfterSeconds, dripMs }),
    counts: () => ({ ...struck }),
    draw(kinds) {
      // A kind that cannot strike draws nothing, so that setting another does not shift its draws.
      const hit = kinds.find(one => rateOf(one) > 0 && random() < rateOf(one))
      if (hit) struck[hit] += 1
      return hit
    },
    random: () => random(),
  }
}

/** Reads settings from a line such as `throttled=0.1,truncated=0.05,seed=3`; throws an Error that says what is wrong with it. */
export function parseFaults(line: string): FaultSettings {
  const rates: Record<string, unknown> = {}
  const settings: Record<string, unknown> = { rates }
  for (const item of line.split(',')) {
    const [, name = '', number = ''] = /^\s*([\w-]+)\s*=\s*([\d.]+)\s*$/.exec(item) ?? []
    if (name === '') throw new Error(`cannot read "${item}": write kind=rate, such as throttled=0.1`)
    if (['retryAfterSeconds', 'dripMs', 'seed'].includes(name)) settings[name] = Number(number)
    else rates[name] = Number(number)
  }
  const unknown = Object.keys(rates).find(name => !FAULT_KINDS.some(known => known === name))
  if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; there are ${FAULT_KINDS.join(', ')}`)
  const { data, error } = faultsSchema.safeParse(settings)
  if (data) return data
  throw new Error(error.issues.map(({ path, message }) => `${String(path.at(-1))}: ${message}`).join('; '))
}
