import type { Redis } from 'ioredis'
import type { Keys } from '../../shared/redis/keys.ts'
import type { Surroundings } from '../base/surroundings.ts'

/** Where connected accounts are kept. */
export interface Store {
  redis: Redis
  keys: Keys
  /** The clock that all processes share; this machine's clock where it is absent. */
  now?: () => number
  /** The real ones where they are absent. */
  surroundings?: Surroundings
}
