import type { Redis } from 'ioredis'
import type { TestRedis } from './redis.ts'

/** Reads a whole Redis, one text a key: its name, then its value as JSON; for streams and lists one text an element. */
export async function everything({ client }: TestRedis): Promise<string[]> {
  const texts: string[] = []
  for (const key of (await client.keys('*')).sort()) {
    const parts = await partsOf(client, key)
    texts.push(...parts.map(part => `${key} ${JSON.stringify(part)}`))
  }
  return texts
}

async function partsOf(client: TestRedis['client'], key: string): Promise<unknown[]> {
  switch (await client.type(key)) {
    case 'string':
      return [await client.get(key)]
    case 'hash':
      return [await client.hgetall(key)]
    case 'set':
      return [await client.smembers(key)]
    case 'zset':
      return client.zrange(key, '0', '-1')
    case 'list':
      return client.lrange(key, 0, -1)
    case 'stream':
      return client.xrange(key, '-', '+')
    default:
      return []
  }
}

/** Returns every key with its dumped value and its expiry (ms since 1970; -1: never). */
export async function keyspace(client: Redis): Promise<Record<string, unknown>> {
  const keys = (await client.keys('*')).sort()
  const values = await Promise.all(
    keys.map(async key => [
      key,
      (await client.dumpBuffer(key))?.toString('base64'),
      await client.call('PEXPIRETIME', key),
    ]),
  )
  return Object.fromEntries(values.map(([key, ...rest]) => [key, rest]))
}

/** Returns the keys under a prefix that never expire, or live longer than so many seconds. */
export async function neverExpiring(client: Redis, prefix: string, mostSeconds: number): Promise<string[]> {
  const keys = await client.keys(`${prefix}:*`)
  const left = await Promise.all(keys.map(key => client.ttl(key)))
  return keys.filter((_, index) => (left[index] ?? -1) < 0 || (left[index] ?? 0) > mostSeconds)
}
