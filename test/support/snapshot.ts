import type { Redis } from 'ioredis'

/** The dumped keys of a server under a prefix. */
export interface Snapshot {
  keys: readonly string[]
  /** Restores every key under the prefix, and deletes later ones. */
  restore(): Promise<void>
}

/** Dumps all keys under a prefix. */
export async function takeSnapshot(client: Redis, prefix: string): Promise<Snapshot> {
  const keys = await client.keys(`${prefix}:*`)
  const kept = await Promise.all(
    keys.map(async key => ({ key, dump: await client.dumpBuffer(key), at: await client.call('PEXPIRETIME', key) })),
  )
  return {
    keys,
    async restore() {
      const now = await client.keys(`${prefix}:*`)
      const transaction = client.multi()
      if (now.length > 0) transaction.del(...now)
      for (const { key, dump, at } of kept) {
        if (dump) transaction.restore(key, Math.max(0, Number(at)), dump, 'REPLACE', 'ABSTTL')
      }
      await transaction.exec()
    },
  }
}
