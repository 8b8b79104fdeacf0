import { z } from 'zod'
import { type Denial, denialsSchema } from '../denials.ts'
import { createDraws, type DrawSettings, type Draws, parseLine } from '../draws.ts'

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

/** What goes wrong from now on. */
export interface FaultSettings extends DrawSettings<FaultKind> {
  /** What Retry-After says, in seconds, which may be a fraction; 1 where it is absent. */
  retryAfterSeconds?: number | undefined
  /** How long an answer drips that is `slow`, in ms; 2000 where it is absent. */
  dripMs?: number | undefined
  /** The mailboxes whose calls are struck; those of all where it is absent. */
  addresses?: readonly string[] | undefined
  /** What is refused by its path, by itself or in a batch; it is no matter of luck, and counted nowhere. */
  denials?: readonly Denial[] | undefined
}

/** The faults of a simulator; without settings there are none. */
export interface Faults extends Omit<Draws<FaultKind>, 'set' | 'read' | 'draw'> {
  /** Replaces all settings. */
  set(settings: FaultSettings): void
  /** The settings in force, without bursts that are over. */
  read(): ReturnType<Draws<FaultKind>['read']> & {
    retryAfterSeconds: number
    dripMs: number
    addresses?: readonly string[]
    denials: readonly Denial[]
  }
  /** The first of these kinds that strikes a call for this mailbox now, if one does; `undefined` is a call for no mailbox. */
  draw<Asked extends FaultKind>(kinds: readonly Asked[], address: string | undefined): Asked | undefined
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
  addresses: z.array(z.string()).optional(),
  denials: denialsSchema.optional(),
  seed: z.number().int().optional(),
})

/** No faults yet; `now` tells when a burst is over. */
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

/** Reads settings from a line such as `throttled=0.1,truncated=0.05,seed=3`; throws an Error that says what is wrong with it. */
export function parseFaults(line: string): FaultSettings {
  const settings = parseLine(line, { kinds: FAULT_KINDS, others: ['retryAfterSeconds', 'dripMs', 'seed'] })
  const { data, error } = faultsSchema.safeParse(settings)
  if (data) return data
  throw new Error(error.issues.map(({ path, message }) => `${String(path.at(-1))}: ${message}`).join('; '))
}
