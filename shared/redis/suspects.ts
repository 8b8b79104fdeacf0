import type { Redis } from 'ioredis'
import type { Listed, MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'
import { knownMessages } from './known.ts'
import { LIFETIME, SUSPECT } from './schema.ts'

interface Of {
  mailbox: MailboxId
  run: string
}

const AT_ONCE = 500

/**
 * Marks every known message of a mailbox as a suspect of the run, in bounded steps, and messages of its earlier pages once they are known.
 * Expires after a week or when the run ends.
 */
export async function suspectAll(redis: Redis, keys: Keys, { mailbox, run }: Of, page: number): Promise<void> {
  const key = keys.runSuspects(keys.partitionOf(mailbox), run)
  // Set before the scan, because messages whose windows are grouped meanwhile are added there.
  await redis.hset(key, SUSPECT.listed, page)
  let step = new Map<string, string>()
  for await (const { id, thread } of knownMessages(redis, keys, mailbox)) {
    step.set(id, thread)
    if (step.size < AT_ONCE) continue
    await redis.hset(key, step)
    step = new Map()
  }
  if (step.size > 0) await redis.hset(key, step)
  await redis.expire(key, LIFETIME.run)
}

/** Returns at most `limit` suspects of the run; fewer means that no more are left. */
export async function readSuspects(redis: Redis, keys: Keys, { mailbox, run }: Of, limit: number): Promise<Listed[]> {
  const key = keys.runSuspects(keys.partitionOf(mailbox), run)
  const found = new Map<string, string>()
  let cursor = '0'
  do {
    const [next, fields] = await redis.hscan(key, cursor, 'COUNT', AT_ONCE)
    cursor = next
    for (let at = 0; at < fields.length; at += 2) found.set(fields[at] ?? '', fields[at + 1] ?? '')
    found.delete(SUSPECT.listed)
  } while (cursor !== '0' && found.size < limit)
  return [...found].slice(0, limit).map(([id, thread]) => ({ id, thread }))
}
