import type { TestRedis } from './redis.ts'

/** All that a Redis holds, a text a key: its name, then its value as JSON; of streams and lists a text an element. */
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
