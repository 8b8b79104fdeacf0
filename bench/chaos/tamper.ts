import type { Redis } from 'ioredis'

/** How Redis's state is tampered with: everything of a prefix, by a client that has all rights. */
export interface Tampering {
  /** Withdraws a command from every user for a while. */
  withdraw(command: string, during: () => Promise<void>): Promise<void>
  /** Puts a key of another type in the place of one for a while. Resolves to the key; `undefined` where there is none. */
  mistype(random: number, during: () => Promise<void>): Promise<string | undefined>
  /** Takes a snapshot of all keys, and puts all of it back after a while, as a server does that is restored from a backup. */
  restore(during: () => Promise<void>): Promise<void>
}

/** The commands that a chaos withdraws: what the pipeline writes with. */
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
// All keys of one moment.
const SNAPSHOT = `
local taken = {}
for place, key in ipairs(redis.call('KEYS', ARGV[1])) do
  taken[place] = { key, redis.call('DUMP', key), math.max(0, redis.call('PTTL', key)) }
end
return taken`

/** Asks with this client; `insist` repeats what a connection that broke has swallowed. */
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
        // A message that is not there is fetched again; eviction is another fault.
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
        const back = redis.multi()
        for (const key of await redis.keys(`${prefix}:*`)) back.del(key)
        for (const [key, value, ttl] of taken) back.restore(key, ttl, value, 'REPLACE')
        await back.exec()
      })
    },
  }
}
