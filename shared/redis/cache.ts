import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import { type Message, type MessageId, parseMessage } from '../message.ts'
import type { MessageCache } from '../stage.ts'
import type { Keys } from './keys.ts'
import { cacheScript, discardScript, recallScript } from './scripts.ts'

// Bounds the time that a script blocks others.
const AT_ONCE = 500

interface CacheOptions {
  mailbox: MailboxId
  /** How long a message is kept after its last use. */
  ttlSeconds: number
  /** Called with the number of unreadable messages, which count as not cached. */
  onInvalid?: ((count: number) => void) | undefined
}

/**
 * Creates the message cache of one mailbox: one string per message, one round trip per batch of reads or writes. Unreadable entries are
 * deleted and count as not cached. Nothing is cached for a mailbox that is not connected.
 */
export function createCache(redis: Redis, keys: Keys, { mailbox, ttlSeconds, onInvalid }: CacheOptions): MessageCache {
  return {
    // Only readable messages count, because the others would never be fetched.
    touch: async ids => new Set((await read(ids)).keys()),
    get: read,

    async put(messages) {
      if (messages.length === 0) return
      const touched = [keys.mailbox(mailbox), ...messages.map(({ id }) => keys.message(mailbox, id))]
      await cacheScript(redis, touched, [ttlSeconds, '', ...messages.map(message => JSON.stringify(message))])
    },
  }

  async function read(ids: readonly MessageId[]): Promise<Map<MessageId, Message>> {
    const parts = Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, part) =>
      ids.slice(part * AT_ONCE, (part + 1) * AT_ONCE),
    )
    const read = await Promise.all(parts.map(readPart))
    return new Map(read.flatMap(messages => messages.map((message): [MessageId, Message] => [message.id, message])))
  }

  async function readPart(ids: readonly MessageId[]): Promise<Message[]> {
    const touched = ids.map(id => keys.message(mailbox, id))
    const texts = (await recallScript(redis, touched, [ttlSeconds])) as (string | 0 | null)[]
    const messages: Message[] = []
    const invalid: { key: string; text: string }[] = []
    for (const [place, id] of ids.entries()) {
      const text = texts[place] ?? null
      const message = text ? parseMessage(text) : undefined
      if (message?.id === id) messages.push(message)
      else if (text !== null) invalid.push({ key: touched[place] ?? '', text: text || '' })
    }
    if (invalid.length > 0) await drop(invalid)
    return messages
  }

  async function drop(invalid: readonly { key: string; text: string }[]): Promise<void> {
    onInvalid?.(invalid.length)
    const gone = invalid.map(({ key }) => key)
    const texts = invalid.map(({ text }) => text)
    await discardScript(redis, gone, texts)
  }
}
