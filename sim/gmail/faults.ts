import { z } from 'zod'
import { type Denial, denialsSchema } from '../denials.ts'
import { createDraws, type DrawSettings, type Draws, parseLine } from '../draws.ts'

/**
 * Faults, each with its probability: of whole answers, of parts of a batch, and of the answer to a batch.
 * `slow` streams an answer slowly; the `html-` kinds come from a server in front of Gmail's, which writes no
 * JSON.
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
/** In the order in which several faults change an answer. */
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

/** The fault settings. */
export interface FaultSettings extends DrawSettings<FaultKind> {
  /** The seconds in Retry-After, possibly a fraction; 1 by default. */
  retryAfterSeconds?: number | undefined
  /** The duration of a `slow` answer in ms; 2000 by default. */
  dripMs?: number | undefined
  /** The affected mailboxes; all by default. */
  addresses?: readonly string[] | undefined
  /** Refusals by path, of single requests and parts of a batch. They are deterministic and not counted. */
  denials?: readonly Denial[] | undefined
}

/** The faults of a simulator; none without settings. */
export interface Faults extends Omit<Draws<FaultKind>, 'set' | 'read' | 'draw'> {
  /** Replaces all settings. */
  set(settings: FaultSettings): void
  /** Returns the settings in force, without expired bursts. */
  read(): ReturnType<Draws<FaultKind>['read']> & {
    retryAfterSeconds: number
    dripMs: number
    addresses?: readonly string[]
    denials: readonly Denial[]
  }
  /**
   * Returns the first of these kinds that strikes a call for this mailbox now, if any; `undefined` means no
   * mailbox.
   */
  draw<Asked extends FaultKind>(kinds: readonly Asked[], address: string | undefined): Asked | undefined
}

const RETRY_AFTER_SECONDS = 1
const DRIP_MS = 2000
const LONGEST_DRIP_MS = 300_000

const rate = z.number().min(0).max(1)
const kind = z.enum(FAULT_KINDS)

/** The JSON schema of fault settings. */
export const faultsSchema = z.strictObject({
  rates: z.partialRecord(kind, rate).optional(),
  bursts: z.array(z.strictObject({ kind, rate, untilMs: z.number() })).optional(),
  retryAfterSeconds: z.number().min(0).optional(),
  dripMs: z.number().min(0).max(LONGEST_DRIP_MS).optional(),
  addresses: z.array(z.string()).optional(),
  denials: denialsSchema.optional(),
  seed: z.number().int().optional(),
})

/** Creates faults without settings; `now` decides when a burst expires. */
export function createFaults(now: () => number): Faults {
  const draws = createDraws(FAULT_KINDS, now)
  let retryAfterSeconds = RETRY_AFTER_SECONDS
  let dripMs = DRIP_MS
  let addresses: readonly string[] | undefined
  let denials: readonly Denial[] = []

  const isStruck = (address: string | undefined) =>
    !addresses || addresses.some(one => one.toLowerCase() === address?.toLowerCase())

  return {
    ...draws,
    set(settings) {
      draws.set(settings)
      retryAfterSeconds = settings.retryAfterSeconds ?? RETRY_AFTER_SECONDS
      dripMs = settings.dripMs ?? DRIP_MS
      addresses = settings.addresses
      denials = settings.denials ?? []
    },
    read: () => ({ ...draws.read(), retryAfterSeconds, dripMs, denials, ...(addresses ? { addresses } : {}) }),
    draw: (kinds, address) => (isStruck(address) ? draws.draw(kinds) : undefined),
  }
}

/** Parses settings such as `throttled=0.1,truncated=0.05,seed=3`; throws an Error that names the fault. */
export function parseFaults(line: string): FaultSettings {
  const settings = parseLine(line, { kinds: FAULT_KINDS, others: ['retryAfterSeconds', 'dripMs', 'seed'] })
  const { data, error } = faultsSchema.safeParse(settings)
  if (data) return data
  throw new Error(error.issues.map(({ path, message }) => `${String(path.at(-1))}: ${message}`).join('; '))
}
