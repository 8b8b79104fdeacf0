import type { Config } from '../../shared/config.ts'
import { findRunning } from '../embedded-redis/data-dir.ts'
import { configuredProviders } from './providers.ts'

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Returns the address of the simulator that SIM_URL names, or, without a mail account, of the one that a running `up` has started. */
export async function findSimulator(config: Config): Promise<string | undefined> {
  if (config.SIM_URL) return config.SIM_URL.replace(/\/$/, '')
  if (configuredProviders(config).length > 0) return undefined
  return (await noted(config))?.url
}

/** Returns the control token of the simulator at this address: SIM_TOKEN, or the one that a simulator with the same DATA_DIR has noted. */
export async function findControlToken(config: Config, url: string): Promise<string | undefined> {
  if (config.SIM_TOKEN) return config.SIM_TOKEN
  const note = await noted(config)
  return note?.url !== undefined && isSame(note.url, url) ? note.token : undefined
}

// This machine has several names, and a note holds one.
function isSame(one: string, other: string): boolean {
  const [a, b] = [new URL(one), new URL(other)]
  return a.port === b.port && (a.hostname === b.hostname || [a, b].every(({ hostname }) => LOOPBACK.has(hostname)))
}

async function noted({ DATA_DIR }: Config): Promise<{ url?: string; token?: string } | undefined> {
  return (await findRunning(DATA_DIR, 'sim')) as { url?: string; token?: string } | undefined
}
