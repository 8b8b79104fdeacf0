import { z } from 'zod'
import { type Denial, denialsSchema } from '../denials.ts'
import { createDraws, type DrawSettings, type Draws, parseLine } from '../draws.ts'

/** Faults of whole answers and of parts of a batch, each with its probability. */
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
/** Faults of a delta's answer, single or in a batch: its token is too old. */
export const DELTA_FAULTS = ['gone-410'] as const
/** Faults of the answer to a batch. */
export const BATCH_FAULTS = ['missing-part', 'part-without-body'] as const
/** Faults of an answer's bytes; `slow` streams it slowly. */
export const BYTE_FAULTS = ['truncated', 'slow'] as const
export const FAULT_KINDS = [...WHOLE_FAULTS, ...PART_FAULTS, ...DELTA_FAULTS, ...BATCH_FAULTS, ...BYTE_FAULTS] as const
export type GraphFaultKind = (typeof FAULT_KINDS)[number]

/** The formats of a Retry-After header. */
const RETRY_FORMS = ['seconds', 'date'] as const

/** The fault settings. */
export interface GraphFaultSettings extends DrawSettings<GraphFaultKind> {
  /** The seconds in Retry-After, possibly a fraction; 1 by default. */
  retryAfterSeconds?: number | undefined
  /** Seconds by default. */
  retryAfterForm?: (typeof RETRY_FORMS)[number] | undefined
  /** The duration of a `slow` answer in ms; 2000 by default. */
  dripMs?: number | undefined
  /** Refusals by path, of single requests and parts of a batch. They are deterministic and not counted. */
  denials?: readonly Denial[] | undefined
}

/** The faults of a simulator; none without settings. */
export interface GraphFaults extends Omit<Draws<GraphFaultKind>, 'set' | 'read'> {
  /** Replaces all settings. */
  set(settings: GraphFaultSettings): void
  /** Returns the settings in force, without expired bursts. */
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

/** The JSON schema of fault settings. */
export const graphFaultsSchema = z.strictObject({
  rates: z.partialRecord(kind, rate).optional(),
  bursts: z.array(z.strictObject({ kind, rate, untilMs: z.number() })).optional(),
  retryAfterSeconds: z.number().min(0).optional(),
  retryAfterForm: z.enum(RETRY_FORMS).optional(),
  dripMs: z.number().min(0).max(LONGEST_DRIP_MS).optional(),
  denials: denialsSchema.optional(),
  seed: z.number().int().optional(),
})

/** Creates faults without settings; `now` decides when a burst expires. */
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

/** Parses settings such as `throttled=0.1,gone-410=0.05,seed=3`; throws an Error that names the fault. */
export function parseGraphFaults(line: string): GraphFaultSettings {
  const settings = parseLine(line, { kinds: FAULT_KINDS, others: ['retryAfterSeconds', 'dripMs', 'seed'] })
  const { data, error } = graphFaultsSchema.safeParse(settings)
  if (data) return data
  throw new Error(error.issues.map(({ path, message }) => `${String(path.at(-1))}: ${message}`).join('; '))
}
