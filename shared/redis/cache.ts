import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import { type Message, type MessageId, parseMessage } from '../message.ts'
import type { MessageCache } from '../stage.ts'
import type { Keys } from './keys.ts'
import { discardScript, keepScript, recallScript } from './scripts.ts'

// So that no script holds up others for long.
const AT_ONCE = 500

interface CacheOptions {
  mailbox: MailboxId
  /** How long a message is kept after its last use. */
  ttlSeconds: number
  /** Told how many messages could not be read, and count as not held. */
  onInvalid?: ((count: number) => void) | undefined
}

/**
 * The message cache of one mailbox: one string a message, a batch of reads or writes in one round trip. What is held and cannot be read is
 * deleted, and counts as not held. Of a mailbox that is not connected nothing is kept.
 */
export function createCache(redis: Redis, keys: Keys, { mailbox, ttlSeconds, onInvalid }: CacheOptions): MessageCache {
  return {
    // Only what can be read is held: nobody would fetch it otherwise.
    touch: async ids => new Set((await read(ids)).keys()),
    get: read,

    async put(messages) {
      if (messages.length === 0) return
      const touched = [keys.mailbox(mailbox), ...messages.map(({ id }) => keys.message(mailbox, id))]
      await keepScript(redis, touched, [ttlSeconds, '', ...messages.map(message => JSON.stringify(message))])
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
