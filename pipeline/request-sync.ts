import type { MailboxId } from '../shared/mailbox.ts'
import { postWatchEvent } from '../shared/redis/mailboxes.ts'
import type { Office } from './wire.ts'

/** Asks for a sync of a mailbox; the id of the run it becomes, unless another run is under way, which another then follows. */
export async function requestSync(office: Office, mailbox: MailboxId, historyId?: string): Promise<string> {
  const body = { cause: historyId === undefined ? ('request' as const) : ('push' as const), ...(historyId === undefined ? {} : { historyId }) }
  return postWatchEvent(office.redis, office.keys, mailbox, { run: office.newRunId(), at: office.now(), body })
}
