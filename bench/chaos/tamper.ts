import type { Redis } from 'ioredis'

/** Ways to tamper with the keys of a prefix in Redis, with a client that has all rights. */
export interface Tampering {
  /** Withdraws a command from every user for a while. */
  withdraw(command: string, during: () => Promise<void>): Promise<void>
  /** Replaces a key by one of another type for a while. Resolves to the key, or `undefined` when there is none. */
  mistype(random: number, during: () => Promise<void>): Promise<string | undefined>
  /** Takes a snapshot of all keys and restores it after a while, like a server restored from a backup. */
  restore(during: () => Promise<void>): Promise<void>
}

/** The write commands of the pipeline, which a chaos run withdraws. */
export const WITHDRAWN = [
  'xadd',
  'hset',
  'hdel',
  'hincrby',
  'hsetnx',
  'zadd',
  'zrem',
  'set',
  'del',
  'expire',
  'rpush',
  'persist',
  'xack',
  'xclaim',
] as const

const ASIDE = 'aside'
// One script reads all keys atomically.
const SNAPSHOT = `
local taken = {}
for place, key in ipairs(redis.call('KEYS', ARGV[1])) do
  taken[place] = { key, redis.call('DUMP', key), math.max(0, redis.call('PTTL', key)) }
end
return taken`

/** Creates the ways to tamper through this client; `insist` repeats commands that a broken connection lost. */
export function createTampering(
  redis: Redis,
  prefix: string,
  insist: (work: () => Promise<unknown>) => Promise<void>,
): Tampering {
  return {
    async withdraw(command, during) {
      await insist(() => redis.call('ACL', 'SETUSER', 'default', `-${command}`))
      await during()
      await insist(() => redis.call('ACL', 'SETUSER', 'default', '+@all'))
    },

    async mistype(random, during) {
      let key: string | undefined
      await insist(async () => {
        // Messages are excluded: a missing one is refetched, and eviction is another fault.
        const keys = (await redis.keys(`${prefix}:*`)).filter(one => !/:(msg|secret):/.test(one)).sort()
        key = keys[Math.floor(random * keys.length)]
      })
      if (key === undefined) return undefined
      const [name, aside] = [key, `${ASIDE}:${key}`]
      await insist(async () => {
        if ((await redis.exists(aside)) === 1) return
        const wrong =
          (await redis.type(name)) === 'string'
            ? redis.multi().rename(name, aside).hset(name, 'no', 'string')
            : redis.multi().rename(name, aside).set(name, 'of another type')
        await wrong.exec()
      })
      await during()
      await insist(async () => {
        if ((await redis.exists(aside)) === 1) await redis.multi().del(name).rename(aside, name).exec()
      })
      return key
    },

    async restore(during) {
      let taken: [key: Buffer, value: Buffer, ttl: number][] = []
      await insist(async () => {
        taken = (await redis.callBuffer('EVAL', SNAPSHOT, 0, `${prefix}:*`)) as typeof taken
      })
      await during()
      await insist(async () => {
        // All at once: a key that was made while the old ones were being counted would stay, and belong to neither state.
        const back = redis.multi().flushdb()
        for (const [key, value, ttl] of taken) back.restore(key, ttl, value)
        await back.exec()
      })
    },
  }
}
