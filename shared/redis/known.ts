import type { Redis } from 'ioredis'
import type { Listed, MailboxId } from '../mailbox.ts'
import type { MessageId } from '../message.ts'
import type { Keys } from './keys.ts'
import { scanKeys } from './scan.ts'

/** Every message that some thread of the mailbox holds, from the thread index, in bounded steps; one that is added meanwhile may be left out. */
export async function* knownMessages(redis: Redis, keys: Keys, mailbox: MailboxId): AsyncGenerator<Listed> {
  const head = keys.thread(mailbox, '')
  for await (const found of scanKeys(redis, `${literally(head)}*`)) {
    const fields = await Promise.all(found.map(key => redis.hkeys(key)))
    for (const [place, key] of found.entries()) {
      const thread = key.slice(head.length)
      for (const id of messageIdsIn(fields[place] ?? [])) yield { id, thread }
    }
  }
}

/** The message ids among the fields of a thread's hash. */
export function messageIdsIn(fields: readonly string[]): MessageId[] {
  return fields.flatMap(field => (field.startsWith('id:') ? [field.slice(3)] : []))
}

// An address may hold what a pattern would take for a wildcard.
function literally(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}
