import { ownOf } from '../../shared/own.ts'
import type { FaultKind } from '../../sim/gmail/faults.ts'
import type { GraphFaultKind } from '../../sim/graph/faults.ts'

/**
 * The kinds of faults: kill -9, SIGSTOP and SIGTERM of a stage process; kill -9 of Redis; cutting every Redis connection; rate limits, errors and
 * spoiled batches at both providers; access tokens that both refuse; forgetting Redis's scripts; expiring Gmail's history or Graph's delta
 * links; evicting half of the cached messages; one message or folder that a provider refuses; withdrawing a command from Redis's users; replacing a key
 * by one of another type; restoring Redis to a state of some seconds ago.
 */
export const CHAOS_KINDS = [
  'kill',
  'stop',
  'term',
  'redisKill',
  'cut',
  'throttle',
  'error',
  'parts',
  'scriptFlush',
  'expire',
  'evict',
  'sick',
  'refuse',
  'withdraw',
  'mistype',
  'restore',
] as const
/** A kind of fault. */
export type ChaosKind = (typeof CHAOS_KINDS)[number]

interface ProviderFault<Kind> {
  kind: Kind
  rate: number
}

/** A planned fault: its time (ms from the beginning), its duration or pause (ms), and its victim as a number from 0 up to 1. */
export interface PlannedFault {
  atMs: number
  kind: ChaosKind
  forMs: number
  victim: number
  /** The provider faults and their rates, from 0 to 1; used by `throttle`, `error`, `parts` and `refuse`. */
  provider: { gmail: ProviderFault<FaultKind>; graph: ProviderFault<GraphFaultKind> }
}

const FIRST_MS = 500
const GAP_MS = { least: 200, most: 900 }
const RATE = { least: 0.3, most: 0.9 }
// Graph requests cover all folders, or go in fours, so a single failure affects much: the rates are lower.
const AT_GRAPH_RATE = { least: 0.1, most: 0.5 }
type ProviderKind = 'throttle' | 'error' | 'parts' | 'refuse'
const AT_GMAIL: Record<ProviderKind, readonly FaultKind[]> = {
  throttle: ['throttled-until', 'throttled', 'rate-limit', 'user-rate-limit'],
  error: ['server-error', 'unavailable', 'reset'],
  parts: ['part-throttled', 'part-error', 'truncated', 'missing-part'],
  refuse: ['token-expired', 'part-token-expired'],
}
const AT_GRAPH: Record<ProviderKind, readonly GraphFaultKind[]> = {
  throttle: ['throttled', 'throttled-silently'],
  error: ['server-error', 'unavailable', 'bad-gateway', 'html-unavailable', 'reset', 'gone-410'],
  parts: ['part-throttled', 'part-error', 'part-token-expired', 'truncated', 'missing-part', 'part-without-body'],
  refuse: ['token-expired', 'part-token-expired'],
}

/** Plans the faults of a run; the same random numbers give the same plan. Each kind occurs once before any repeats. */
export function planFaults(
  random: () => number,
  options: { seconds: number; leaseMs: number; without: readonly ChaosKind[] },
): PlannedFault[] {
  const kinds = CHAOS_KINDS.filter(kind => !options.without.includes(kind))
  const between = (least: number, most: number) => least + random() * (most - least)
  const one = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]
  const durations: Record<ChaosKind, () => number> = {
    kill: () => between(0, 1500),
    term: () => between(0, 1500),
    stop: () => between(0.5, 2) * options.leaseMs,
    redisKill: () => between(0, 1200),
    throttle: () => between(3000, 5000),
    error: () => between(3000, 5000),
    parts: () => between(3000, 5000),
    refuse: () => between(3000, 5000),
    sick: () => between(5000, 30_000),
    withdraw: () => between(1000, 5000),
    mistype: () => between(1000, 5000),
    restore: () => between(2000, 10_000),
    cut: () => 0,
    scriptFlush: () => 0,
    expire: () => 0,
    evict: () => 0,
  }
  const plan: PlannedFault[] = []
  let bag: ChaosKind[] = []
  for (let atMs = FIRST_MS; atMs < options.seconds * 1000; atMs += between(GAP_MS.least, GAP_MS.most)) {
    if (bag.length === 0) bag = [...kinds]
    const [kind = 'kill'] = bag.splice(Math.floor(random() * bag.length), 1)
    const provider = {
      gmail: { kind: one(ownOf(AT_GMAIL, kind) ?? []) ?? 'unavailable', rate: between(RATE.least, RATE.most) },
      graph: {
        kind: one(ownOf(AT_GRAPH, kind) ?? []) ?? 'unavailable',
        rate: between(AT_GRAPH_RATE.least, AT_GRAPH_RATE.most),
      },
    }
    plan.push({ atMs, kind, forMs: durations[kind](), victim: random(), provider })
  }
  return plan
}
