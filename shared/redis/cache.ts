import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import { type Message, type MessageId, parseMessage } from '../message.ts'
import type { MessageCache } from '../stage.ts'
import type { Keys } from './keys.ts'
import { keepScript } from './scripts.ts'

/**
 * The message cache of one mailbox: one string a message, each batch of reads or writes in one round trip, kept `ttlSeconds` after its last use. Of a mailbox
 * that is not connected nothing is kept.
 */
export function createCache(redis: Redis, keys: Keys, mailbox: MailboxId, ttlSeconds: number): MessageCache {
  return {
    async touch(ids) {
      const held = await pipelined(ids, (pipeline, id) => pipeline.expire(keys.message(mailbox, id), ttlSeconds))
      return new Set(ids.filter((_, index) => held[index] === 1))
    },

    async get(ids) {
      const texts = await pipelined(ids, (pipeline, id) => pipeline.getex(keys.message(mailbox, id), 'EX', ttlSeconds))
      const messages = new Map<MessageId, Message>()
      for (const text of texts) {
        const message = typeof text === 'string' ? parseMessage(text) : undefined
        if (message) messages.set(message.id, message)
      }
      return messages
    },

    async put(messages) {
      if (messages.length === 0) return
      const touched = [keys.mailbox(mailbox), ...messages.map(({ id }) => keys.message(mailbox, id))]
      await keepScript(redis, touched, [ttlSeconds, '', ...messages.map(message => JSON.stringify(message))])
    },
  }

  async function pipelined<T>(
    items: readonly T[],
    add: (pipeline: ReturnType<Redis['pipeline']>, item: T) => void,
  ): Promise<unknown[]> {
    if (items.length === 0) return []
    const pipeline = redis.pipeline()
    for (const item of items) add(pipeline, item)
    const results = (await pipeline.exec()) ?? []
    return results.map(([error, value]) => {
      if (error) throw error
      return value
    })
  }
}
