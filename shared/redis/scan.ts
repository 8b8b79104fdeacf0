import type { Redis } from 'ioredis'

const ABOUT_A_STEP = 500

/** Yields the keys that match a pattern, in small steps that block no one. A key may come twice; every key present throughout comes. */
export async function* scanKeys(redis: Redis, pattern: string): AsyncGenerator<string[]> {
  for (let cursor = '0'; ; ) {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', ABOUT_A_STEP)
    if (found.length > 0) yield found
    if (next === '0') return
    cursor = next
  }
}

/** Yields the members of a sorted set likewise. */
export async function* scanMembers(redis: Redis, key: string): AsyncGenerator<string[]> {
  for (let cursor = '0'; ; ) {
    const [next, found] = await redis.zscan(key, cursor, 'COUNT', ABOUT_A_STEP)
    const members = found.filter((_, place) => place % 2 === 0)
    if (members.length > 0) yield members
    if (next === '0') return
    cursor = next
  }
}

/** Yields the fields and values of a hash likewise. */
export async function* scanHash(redis: Redis, key: string): AsyncGenerator<[field: string, value: string][]> {
  for (let cursor = '0'; ; ) {
    const [next, found] = await redis.hscan(key, cursor, 'COUNT', ABOUT_A_STEP)
    const pairs = found.flatMap((field, at): [string, string][] => (at % 2 === 0 ? [[field, found[at + 1] ?? '']] : []))
    if (pairs.length > 0) yield pairs
    if (next === '0') return
    cursor = next
  }
}

/** Yields the entries of a stream from its beginning likewise. */
export async function* scanEntries(redis: Redis, key: string): AsyncGenerator<[id: string, fields: string[]][]> {
  for (let from = '-'; ; ) {
    const entries = await redis.xrange(key, from, '+', 'COUNT', ABOUT_A_STEP)
    if (entries.length > 0) yield entries
    if (entries.length < ABOUT_A_STEP) return
    from = `(${entries.at(-1)?.[0]}`
  }
}
