import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { MailboxSight, Sight } from './inspect.ts'
import type { Keys, Partition } from './keys.ts'
import { digestOf, knownMessages } from './known.ts'
import { postWatchEvent, resumeMailbox } from './mailboxes.ts'
import { scanKeys } from './scan.ts'
import { MAILBOX, RUN } from './schema.ts'
import { restoreScript } from './scripts.ts'
import { subscribersOf } from './subscriptions.ts'

/** State that was missing in Redis and was restored, with its number. */
export interface Restored {
  what:
    | 'mailbox'
    | 'place among the mailboxes'
    | 'parked work'
    | 'runs in their index'
    | 'messages in their index'
    | 'subscription'
  mailbox?: MailboxId
  count: number
}

/** Restores state that can be derived from other keys. Remembers earlier counts, so that it scans keys only where something disappeared. */
export interface Restoring {
  /** Restores what is missing in a partition that was just inspected. Safe to run twice at once; never touches intact state. */
  restore(partition: Partition, sight: Sight, signal?: AbortSignal): Promise<Restored[]>
}

interface Memory {
  mailboxes: Set<MailboxId>
  runs: number
  messages: Map<MailboxId, number>
}

const AT_ONCE = 500
// So many messages may leave a mailbox at once; where more are missing, its threads are scanned.
const MAX_GONE_SHARE = 0.5

/** Creates a restoring that has seen nothing yet: its first check of each partition is thorough. */
export function createRestoring(options: {
  redis: Redis
  keys: Keys
  now: () => number
  newRunId: () => string
}): Restoring {
  const { redis, keys, now, newRunId } = options
  const seen = new Map<Partition, Memory>()
  let recorded: Promise<MailboxId[]> | undefined

  return {
    async restore(partition, sight, signal) {
      recorded ??= findRecords()
      if (partition === keys.partitions[0]) await redis.set(keys.layout, String(keys.partitions.length), 'NX')
      const before = seen.get(partition)
      const known = before?.mailboxes ?? new Set((await recorded).filter(one => keys.partitionOf(one) === partition))
      const restored: Restored[] = []
      const jobs = [
        () => restoreMailboxes(partition, sight, known),
        () => restoreRuns(partition, sight, before),
        () => restoreSubscriptions(sight),
        ...sight.mailboxes.map(one => () => restoreOne(one, before)),
      ]
      for (const job of jobs) if (!signal?.aborted) restored.push(...(await job()))
      const listed = sight.mailboxes.map(({ mailbox }) => mailbox)
      seen.set(partition, {
        mailboxes: new Set(listed),
        runs: sight.indexed,
        messages: new Map(sight.mailboxes.map(({ mailbox, indexed }) => [mailbox, indexed])),
      })
      return restored
    },
  }

  async function findRecords(): Promise<MailboxId[]> {
    const found: MailboxId[] = []
    for await (const page of scanKeys(redis, `${keys.head()}mailbox:*`)) {
      found.push(...page.map(key => key.slice(key.indexOf('}:mailbox:') + '}:mailbox:'.length) as MailboxId))
    }
    return found
  }

  async function restoreMailboxes(
    partition: Partition,
    sight: Sight,
    known: ReadonlySet<MailboxId>,
  ): Promise<Restored[]> {
    const listed = new Set(sight.mailboxes.map(({ mailbox }) => mailbox))
    const unrecorded = sight.mailboxes.filter(({ isRecorded }) => !isRecorded).map(({ mailbox }) => mailbox)
    const mayBeStale = [...unrecorded, ...[...known].filter(mailbox => !listed.has(mailbox))]
    const restored: Restored[] = []
    for (const mailbox of mayBeStale) {
      const touched = [keys.mailbox(mailbox), keys.mailboxes(partition), keys.mailboxEvents(partition)]
      const answer = await restoreScript(redis, touched, [mailbox])
      if (answer === 'recorded') {
        // The restored record has no cursor.
        await postWatchEvent(redis, keys, mailbox, { run: newRunId(), at: now(), body: { cause: 'heal' } })
        restored.push({ what: 'mailbox', mailbox, count: 1 })
      }
      if (answer === 'listed') restored.push({ what: 'place among the mailboxes', mailbox, count: 1 })
    }
    return restored
  }

  async function restoreRuns(partition: Partition, sight: Sight, before: Memory | undefined): Promise<Restored[]> {
    if (sight.indexed > 0 || before?.runs === 0 || !sight.mailboxes.some(hasRuns)) return []
    const head = keys.run(partition, '')
    let count = 0
    for await (const page of scanKeys(redis, `${head}*`)) {
      for (const key of page.filter(one => !one.slice(head.length).includes(':'))) {
        const startedAt = await redis.hget(key, RUN.startedAt)
        if (startedAt !== null) count += await redis.zadd(keys.runs(partition), 'NX', startedAt, key.slice(head.length))
      }
    }
    return count > 0 ? [{ what: 'runs in their index', count }] : []
  }

  async function restoreSubscriptions(sight: Sight): Promise<Restored[]> {
    const own = sight.mailboxes.flatMap(({ mailbox, subscription }) =>
      subscription === undefined ? [] : [{ mailbox, subscription }],
    )
    const known = await subscribersOf(
      redis,
      keys,
      own.map(({ subscription }) => subscription),
    )
    const restored: Restored[] = []
    for (const { mailbox, subscription } of own.filter(one => !known.has(one.subscription))) {
      await redis.hset(keys.subscriptions, subscription, mailbox)
      // The subscription was replaced meanwhile, or removed with its mailbox.
      const current = await redis.hget(keys.mailbox(mailbox), MAILBOX.subscription)
      if (current !== subscription) await redis.hdel(keys.subscriptions, subscription)
      else restored.push({ what: 'subscription', mailbox, count: 1 })
    }
    return restored
  }

  async function restoreOne({ mailbox, isStray, indexed, synced }: MailboxSight, before?: Memory): Promise<Restored[]> {
    const restored: Restored[] = []
    if (isStray) {
      const count = await resumeMailbox(redis, keys, mailbox, { now: now() })
      if (count > 0) restored.push({ what: 'parked work', mailbox, count })
    }
    const last = before?.messages.get(mailbox) ?? 1
    if (!synced || last === 0 || indexed > last * MAX_GONE_SHARE) return restored
    const count = await indexMessages(mailbox)
    return count > 0 ? [...restored, { what: 'messages in their index', mailbox, count }] : restored
  }

  // A message removed from its thread meanwhile stays in the index harmlessly; the thread itself decides.
  async function indexMessages(mailbox: MailboxId): Promise<number> {
    let added = 0
    let step = new Map<string, string>()
    const write = async () => {
      if (step.size > 0) added += await redis.hset(keys.threadsOf(mailbox), step)
      step = new Map()
    }
    for await (const { id, thread } of knownMessages(redis, keys, mailbox)) {
      step.set(digestOf(id), thread)
      if (step.size >= AT_ONCE) await write()
    }
    await write()
    return added
  }
}

function hasRuns({ synced, activeRun }: MailboxSight): boolean {
  return synced || activeRun !== undefined
}
