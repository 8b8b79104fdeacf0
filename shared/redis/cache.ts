import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import type { MessageCache } from '../stage.ts'
import { asWanted, packMessage, unpackMessage } from './cached-message.ts'
import type { Keys } from './keys.ts'
import { cacheScript, discardScript, recallScript } from './scripts.ts'

// Bounds the time that a script blocks others.
const AT_ONCE = 500

/** A cached value at its key. */
interface Entry {
  key: string
  text: string
}

interface CacheOptions {
  mailbox: MailboxId
  /** How long a message is kept after its last use. */
  ttlSeconds: number
  /** Whether messages are wanted with their texts; one that was cached without its text counts as not cached. */
  texts?: boolean | undefined
  /** Called with the number of unreadable messages, which count as not cached. */
  onInvalid?: ((count: number) => void) | undefined
}

/**
 * Creates the message cache of one mailbox: one string per message, one round trip per batch of reads or writes. Unreadable entries are
 * deleted and count as not cached. Nothing is cached for a mailbox that is not connected.
 */
export function createCache(redis: Redis, keys: Keys, options: CacheOptions): MessageCache {
  const { mailbox, ttlSeconds, texts = false, onInvalid } = options
  return {
    // Only readable messages count, because the others would never be fetched.
    touch: async ids => new Set((await read(ids)).keys()),
    get: read,

    async put(messages) {
      if (messages.length === 0) return
      const touched = [keys.mailbox(mailbox), ...messages.map(({ id }) => keys.message(mailbox, id))]
      await cacheScript(redis, touched, [ttlSeconds, '', ...(await Promise.all(messages.map(packMessage)))])
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
    const entries = (await recallScript(redis, touched, [ttlSeconds])) as (string | 0 | null)[]
    const messages: Message[] = []
    const invalid: Entry[] = []
    const withoutText: Entry[] = []
    for (const [place, id] of ids.entries()) {
      const text = entries[place] ?? null
      const entry = { key: touched[place] ?? '', text: text || '' }
      const message = text ? await unpackMessage(text) : undefined
      const wanted = message?.id === id ? asWanted(message, texts) : undefined
      if (wanted) messages.push(wanted)
      else if (message?.id === id) withoutText.push(entry)
      else if (text !== null) invalid.push(entry)
    }
    if (invalid.length > 0) onInvalid?.(invalid.length)
    // What counts as not cached gets no changes of labels, so it must not be used again.
    if (invalid.length + withoutText.length > 0) await drop([...invalid, ...withoutText])
    return messages
  }

  async function drop(entries: readonly Entry[]): Promise<void> {
    const gone = entries.map(({ key }) => key)
    await discardScript(
      redis,
      gone,
      entries.map(({ text }) => text),
    )
  }
}
