import type { MailboxId, Watch } from '../shared/mailbox.ts'
import { noteWatched } from '../shared/redis/watches.ts'
import { lookAt } from './look-at.ts'
import type { Office } from './wire.ts'

/** Notes that a mailbox is watched; a watch that begins anew has it looked at, for nobody told what changed before. */
export async function noteWatch(office: Office, mailbox: MailboxId, { expiresAt, anew }: Watch): Promise<void> {
  if (anew) await lookAt(office, mailbox, { id: `watched:${mailbox}:${expiresAt}`, at: office.now(), cause: 'poll' })
  await noteWatched(office.redis, office.keys, mailbox, { expiresAt, now: office.now() })
}
