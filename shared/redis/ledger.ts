import type { Redis } from 'ioredis'
import type { PendingThread } from '../fact.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Ledger } from '../stage.ts'
import type { WatchEvent } from '../streams.ts'
import type { Keys } from './keys.ts'
import { newestIdsIn, omittedIdsIn, ownerWroteIn, threadsOf } from './known.ts'
import { FRESH, LIMIT, MAILBOX, RUN, THREAD } from './schema.ts'
import { beginScript } from './scripts.ts'
import { readSuspects, suspectAll } from './suspects.ts'

/** Creates the ledger of one mailbox on Redis. */
export function createLedger(redis: Redis, keys: Keys, mailbox: MailboxId, now: () => number): Ledger {
  const partition = keys.partitionOf(mailbox)

  return {
    async begin(event, announced = '') {
      const { cause, created = [] } = event.body as WatchEvent
      for (;;) {
        const active = (await redis.hget(keys.mailbox(mailbox), MAILBOX.activeRun)) ?? ''
        const answer = await beginScript(
          redis,
          [
            keys.mailbox(mailbox),
            keys.run(partition, event.run),
            keys.runs(partition),
            keys.run(partition, active || event.run),
          ],
          [event.run, cause, mailbox, active, announced, ...created],
        )
        const [state, cursor, synced, syncedAgo, begunAgo, newest, heals] = answer as [
          string,
          ...(string | undefined)[],
        ]
        // No run begins for a mailbox that is not connected.
        if (state === 'unknown' || state === 'coalesced') return undefined
        // Another run became active between the read and the script.
        if (state === 'changed') continue
        return {
          cursor: cursor || undefined,
          synced: synced === '1',
          syncedAt: syncedAgo ? now() - Number(syncedAgo) : undefined,
          begunAt: now() - Number(begunAgo),
          announced: newest || undefined,
          ...(Number(heals) === 1 ? { heals: true } : {}),
        }
      }
    },

    async peek({ run }) {
      const [cursor, synced, active] = await redis.hmget(
        keys.mailbox(mailbox),
        MAILBOX.cursor,
        MAILBOX.synced,
        MAILBOX.activeRun,
      )
      if (active && active !== run && (await isInProgress(active))) return { state: 'busy' }
      if (active === run || synced !== '1' || !cursor) return { state: 'begin' }
      return { state: 'idle', cursor }
    },

    async pendingThreads(run, limit) {
      const threads = await redis.zrange(keys.runThreads(partition, run), '0', `${limit - 1}`)
      if (threads.length === 0) return []
      const freshKey = keys.runFresh(partition, run)
      const [fresh, asked, changed, ...known] = await Promise.all([
        redis.hmget(freshKey, ...threads),
        redis.hmget(freshKey, ...threads.map(thread => `${FRESH.asked}${thread}`)),
        redis.hmget(freshKey, ...threads.map(thread => `${FRESH.changed}${thread}`)),
        ...threads.map(thread => redis.hgetall(keys.thread(mailbox, thread))),
      ])
      return threads.map((thread, index): PendingThread => {
        const hash = known[index] ?? {}
        const fields = Object.keys(hash)
        return {
          thread,
          ids: newestIdsIn(hash),
          fresh: freshIn(fresh[index] ?? '[]', freshKey),
          seen: `${fresh[index] ?? ''}/${changed[index] ?? ''}`,
          unsent: freshIn(hash[THREAD.unsent] ?? '[]', keys.thread(mailbox, thread)),
          ...(hash[THREAD.waitsSince] === undefined ? {} : { waitsSince: Number(hash[THREAD.waitsSince]) }),
          ownerWrote: ownerWroteIn(hash),
          contextAsked: Number(asked[index] ?? 0) >= LIMIT.contexts,
          cameBack: asked[index] != null,
          known: fields.includes(THREAD.dispatched),
          omitted: omittedIdsIn(fields),
        }
      })
    },

    async known(listed) {
      const pipeline = redis.pipeline()
      for (const { id, thread } of listed) pipeline.hexists(keys.thread(mailbox, thread), `${THREAD.id}${id}`)
      const answers = listed.length > 0 ? ((await pipeline.exec()) ?? []) : []
      const is = answers.map(([error, found]) => {
        if (error) throw error
        return found === 1
      })
      return new Set(listed.flatMap(({ id }, place) => (is[place] ? [id] : [])))
    },

    suspectAll: (run, page) => suspectAll(redis, keys, { mailbox, run }, page),
    suspects: (run, limit) => readSuspects(redis, keys, { mailbox, run }, limit),

    threadsOf: ids => threadsOf(redis, keys, mailbox, ids),

    async dispatched(threads) {
      const versions = await Promise.all(
        threads.map(thread => redis.hget(keys.thread(mailbox, thread), THREAD.dispatched)),
      )
      return new Map(threads.flatMap((thread, index) => (versions[index] ? [[thread, versions[index]]] : [])))
    },

    async versions(thread) {
      const [dispatched, sent] = await redis.hmget(keys.thread(mailbox, thread), THREAD.dispatched, THREAD.sent)
      return { dispatched: dispatched ?? undefined, sent: sent ?? undefined }
    },
  }

  // `begin.lua` decides the same: a forgotten or ended run blocks no other.
  async function isInProgress(run: string): Promise<boolean> {
    const [startedAt, endedAt] = await redis.hmget(keys.run(partition, run), RUN.startedAt, RUN.endedAt)
    return typeof startedAt === 'string' && endedAt === null
  }
}

// As with a key of a wrong type, the fault lies in Redis, and work waits until it is fixed.
function freshIn(text: string, key: string): string[] {
  try {
    return JSON.parse(text) as string[]
  } catch {
    throw Object.assign(new Error(`WRONGVALUE ${key} holds what is no JSON`), { name: 'ReplyError' })
  }
}
