import { inheritedEnvironment } from '../../shared/config.ts'

/** The key prefix of a chaos run. */
export const PREFIX = 'chaos'
/** The lease of its processes. */
export const LEASE_MS = 2000

/** Returns the environment of every process of a chaos run: small calls, short leases and quick healing. */
export function environmentOf(redisUrl: string, simUrl: string): NodeJS.ProcessEnv {
  return inheritedEnvironment({
    REDIS_URL: redisUrl,
    SIM_URL: simUrl,
    GMAIL_REFRESH_TOKEN: '',
    REDIS_PREFIX: PREFIX,
    // Fewer partitions than mailboxes, so that some share one.
    PARTITIONS: '3',
    INITIAL_SYNC: 'all',
    LEASE_MS: `${LEASE_MS}`,
    // Stalled runs are healed after two rounds.
    KEEPER_INTERVAL: '2',
    // Many small calls give faults more targets.
    GMAIL_BATCH_SIZE: '5',
    OUTLOOK_BATCH_SIZE: '5',
    OUTLOOK_PAGE_SIZE: '20',
    DRAIN_MS: '1000',
    RATE_LIMIT_BACKOFF_FACTOR: '1.1',
    // An open breaker waits for a minute, which would only slow the run down.
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1000',
    // No message is omitted from a task for its length.
    TASK_TOKENS: '10000000',
    LOG_LEVEL: 'warn',
    RAILWAY_REPLICA_ID: '',
  })
}
