import { setTimeout as wait } from 'node:timers/promises'

/**
 * The speed of a simulator: `live` like the provider's servers, `seed` like the slow prototype before this
 * project, `instant` without delay.
 */
export const PROFILES = ['live', 'seed', 'instant'] as const
export type Profile = (typeof PROFILES)[number]

interface Latency {
  callMs: number
  getMs: number
  batchMs: number
  partMs: number
}

const LATENCIES: Record<Profile, Latency> = {
  live: { callMs: 150, getMs: 240, batchMs: 120, partMs: 3 },
  seed: { callMs: 2350, getMs: 2350, batchMs: 2350, partMs: 0 },
  instant: { callMs: 0, getMs: 0, batchMs: 0, partMs: 0 },
}

/**
 * Returns the latency of a call in ms: `single` gets one message, and `parts` counts the requests of a batch.
 * `everyCallMs` replaces the profile's latencies.
 */
export function latencyMs(profile: Profile, call: { kind: string; parts: number }, everyCallMs?: number): number {
  if (everyCallMs !== undefined) return everyCallMs
  const { callMs, getMs, batchMs, partMs } = LATENCIES[profile]
  if (call.kind === 'batch') return batchMs + partMs * call.parts
  return call.kind === 'single' ? getMs : callMs
}

/** Resolves after `ms`, at once for 0; rejects with AbortError as soon as `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await wait(ms, undefined, { signal })
}
