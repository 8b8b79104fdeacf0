import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import { resultSchema, type TaskResult } from '../task/result.ts'
import type { Keys } from './keys.ts'

/** Returns the latest answer to a thread's task; `undefined` where there is none, or where it has expired. */
export async function readResult(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  thread: string,
): Promise<TaskResult | undefined> {
  const text = await redis.get(keys.result(mailbox, thread))
  return text === null ? undefined : resultSchema.parse(JSON.parse(text))
}
