import { z } from 'zod'
import { type Denial, denialsSchema } from '../denials.ts'
import { createDraws, type DrawSettings, type Draws, parseLine } from '../draws.ts'

/** What can go wrong, with each its probability: with whole answers, and with parts of a batch. */
export const WHOLE_FAULTS = [
  'reset',
  'throttled',
  'throttled-silently',
  'server-error',
  'unavailable',
  'bad-gateway',
  'token-expired',
  'html-unavailable',
] as const
export const PART_FAULTS = ['part-throttled', 'part-error', 'part-token-expired'] as const
/** With a delta's answer, by itself or in a batch: it is too old. */
export const DELTA_FAULTS = ['gone-410'] as const
/** With the answer to a batch. */
export const BATCH_FAULTS = ['missing-part', 'part-without-body'] as const
/** With the bytes of an answer; `slow` makes it drip. */
export const BYTE_FAULTS = ['truncated', 'slow'] as const
export const FAULT_KINDS = [...WHOLE_FAULTS, ...PART_FAULTS, ...DELTA_FAULTS, ...BATCH_FAULTS, ...BYTE_FAULTS] as const
export type GraphFaultKind = (typeof FAULT_KINDS)[number]

/** How a Retry-After header says when to come back. */
const RETRY_FORMS = ['seconds', 'date'] as const

/** What goes wrong from now on. */
export interface GraphFaultSettings extends DrawSettings<GraphFaultKind> {
  /** What Retry-After says, in seconds, which may be a fraction; 1 where it is absent. */
  retryAfterSeconds?: number | undefined
  /** Seconds where it is absent. */
  retryAfterForm?: (typeof RETRY_FORMS)[number] | undefined
  /** How long an answer drips that is `slow`, in ms; 2000 where it is absent. */
  dripMs?: number | undefined
  /** What is refused by its path, by itself or in a batch; it is no matter of luck, and counted nowhere. */
  denials?: readonly Denial[] | undefined
}

/** The faults of a simulator; without settings there are none. */
export interface GraphFaults extends Omit<Draws<GraphFaultKind>, 'set' | 'read'> {
  /** Replaces all settings. */
  set(settings: GraphFaultSettings): void
  /** The settings in force, without bursts that are over. */
  read(): ReturnType<Draws<GraphFaultKind>['read']> & {
    retryAfterSeconds: number
    retryAfterForm: (typeof RETRY_FORMS)[number]
    dripMs: number
    denials: readonly Denial[]
  }
}

const RETRY_AFTER_SECONDS = 1
const DRIP_MS = 2000
const LONGEST_DRIP_MS = 300_000

const rate = z.number().min(0).max(1)
const kind = z.enum(FAULT_KINDS)

/** Fault settings as JSON. */
export const graphFaultsSchema = z.strictObject({
  rates: z.partialRecord(kind, rate).optional(),
  bursts: z.array(z.strictObject({ kind, rate, untilMs: z.number() })).optional(),
  retryAfterSeconds: z.number().min(0).optional(),
  retryAfterForm: z.enum(RETRY_FORMS).optional(),
  dripMs: z.number().min(0).max(LONGEST_DRIP_MS).optional(),
  denials: denialsSchema.optional(),
  seed: z.number().int().optional(),
})

/** No faults yet; `now` tells when a burst is over. */
export function createGraphFaults(now: () => number): GraphFaults {
  const draws = createDraws(FAULT_KINDS, now)
  const usual = {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    retryAfterForm: 'seconds' as const,
    dripMs: DRIP_MS,
    denials: [] as readonly Denial[],
  }
  let others: Omit<ReturnType<GraphFaults['read']>, 'rates' | 'bursts'> = usual

  return {
    ...draws,
    set(settings) {
      draws.set(settings)
      others = {
        retryAfterSeconds: settings.retryAfterSeconds ?? usual.retryAfterSeconds,
        retryAfterForm: settings.retryAfterForm ?? usual.retryAfterForm,
        dripMs: settings.dripMs ?? usual.dripMs,
        denials: settings.denials ?? usual.denials,
      }
    },
    read: () => ({ ...draws.read(), ...others }),
  }
}

/** Reads settings from a line such as `throttled=0.1,gone-410=0.05,seed=3`; throws an Error that says what is wrong with it. */
export function parseGraphFaults(line: string): GraphFaultSettings {
  const settings = parseLine(line, { kinds: FAULT_KINDS, others: ['retryAfterSeconds', 'dripMs', 'seed'] })
  const { data, error } = graphFaultsSchema.safeParse(settings)
  if (data) return data
  throw new Error(error.issues.map(({ path, message }) => `${String(path.at(-1))}: ${message}`).join('; '))
}
