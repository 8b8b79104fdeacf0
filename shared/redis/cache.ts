import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import { type Message, type MessageId, parseMessage } from '../message.ts'
import type { MessageCache } from '../stage.ts'
import type { Keys } from './keys.ts'
import { keepScript, recallScript, type Script, touchScript } from './scripts.ts'

// So that no script holds up others for long.
const AT_ONCE = 500

/**
 * The message cache of one mailbox: one string a message, a batch of reads or writes in one round trip, kept `ttlSeconds` after its last use. Of a mailbox
 * that is not connected nothing is kept.
 */
export function createCache(redis: Redis, keys: Keys, mailbox: MailboxId, ttlSeconds: number): MessageCache {
  return {
    async touch(ids) {
      const held = await inParts(ids, touchScript)
      return new Set(ids.filter((_, index) => held[index] === 1))
    },

    async get(ids) {
      const texts = await inParts(ids, recallScript)
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

  async function inParts(ids: readonly MessageId[], script: Script): Promise<unknown[]> {
    const parts = Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, part) =>
      ids.slice(part * AT_ONCE, (part + 1) * AT_ONCE),
    )
    const answers = await Promise.all(
      parts.map(async part => {
        const touched = part.map(id => keys.message(mailbox, id))
        return (await script(redis, touched, [ttlSeconds])) as unknown[]
      }),
    )
    return answers.flat()
  }
}
