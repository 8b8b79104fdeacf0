import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'
import { scanKeys } from './scan.ts'
import { LIFETIME, RUN } from './schema.ts'

// The kinds of keys named after a mailbox, except the mailbox and its account.
const OF_MAILBOXES = [
  'thread',
  'msg',
  'threads-of',
  'link',
  'folders',
  'warm',
  'quota',
  'spending',
  'approval',
  'deferred',
]

/**
 * Expires orphaned keys within a day: threads, messages and links of mailboxes that are not connected, and keys of runs that are forgotten
 * or whose mailbox is gone. Inspects a few hundred keys a step, continues while `goOn` allows it, and returns how many keys would have been
 * kept longer. Never prolongs a key.
 */
export async function sweepOrphans(redis: Redis, keys: Keys, goOn: () => Promise<boolean>): Promise<number> {
  let found = 0
  for await (const page of scanKeys(redis, `${keys.head()}*`)) {
    if (!(await goOn())) break
    const owned = await Promise.all(page.map(async key => ({ key, owner: await ownerOf(redis, keys, key) })))
    const owners = [...new Set(owned.flatMap(({ owner }) => owner ?? []))]
    const existing = await Promise.all(owners.map(owner => redis.exists(owner)))
    const gone = new Set(owners.filter((_, place) => existing[place] === 0))
    const orphans = owned.flatMap(({ key, owner }) => (owner !== undefined && gone.has(owner) ? [key] : []))
    const marked = await Promise.all(orphans.map(key => redis.expire(key, LIFETIME.orphan, 'LT')))
    found += marked.filter(set => set === 1).length
  }
  return found
}

// Returns the key without which this one is useless; `undefined` where it needs none.
async function ownerOf(redis: Redis, keys: Keys, key: string): Promise<string | undefined> {
  const partition = keys.partitionIn(key)
  const [kind = '', ...rest] = key.slice(keys.head(partition).length).split(':')
  if (OF_MAILBOXES.includes(kind)) return keys.mailbox(`${rest[0]}:${rest[1]}` as MailboxId)
  if (kind === 'window' || (kind === 'run' && rest.length > 1)) return keys.run(partition, rest[0] ?? '')
  if (kind !== 'run') return undefined
  const mailbox = await redis.hget(key, RUN.mailbox)
  return mailbox === null ? undefined : keys.mailbox(mailbox as MailboxId)
}
