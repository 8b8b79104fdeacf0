import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import type { MailSource } from '../accounts/mail-source.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import { connectIfNew } from '../accounts/request-sync.ts'
import type { AppContext } from '../base/app.ts'
import { type RedisWait, retryUntilServing } from '../base/await-redis.ts'
import type { Log } from '../base/log.ts'

/** The mailboxes that can be synced, the number of others that wait for their account (`lacking`), and the number of all. */
export interface Ready {
  mailboxes: MailboxId[]
  lacking: number
  offered: number
}

/** Connects every mailbox of the source that is not paused. A mailbox whose account fails does not block the others. */
export async function connectAll(
  app: AppContext,
  { source, mailboxes, log, patience }: { source: MailSource; mailboxes: Mailboxes; log: Log; patience: RedisWait },
): Promise<Ready> {
  const { signal } = patience
  const withRetries = <T>(work: () => Promise<T>) => retryUntilServing(app.url, work, patience)
  const offered = await withRetries(() => source.list(signal, app))
  const ready: Ready = { mailboxes: [], lacking: 0, offered: offered.length }
  for (const mailbox of offered) {
    const known = await withRetries(() => readMailbox(app.redis, app.keys, mailbox))
    if (known?.pausedAt !== undefined) {
      log.info({ mailbox }, 'mailbox paused; run `resume` to sync it')
      continue
    }
    try {
      await withRetries(() => connectIfNew(app, () => mailboxes, mailbox, signal))
      ready.mailboxes.push(mailbox)
    } catch (error) {
      if (!(error instanceof MailError) || (!known && offered.length === 1)) throw error
      log.warn(
        { mailbox, error: error.message },
        known ? 'mailbox waits for its account; fix the error' : 'mailbox cannot be reached; fix the error',
      )
      ready.lacking += 1
    }
  }
  return ready
}
