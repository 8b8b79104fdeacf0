import type { MailboxId, Watch } from '../../shared/mailbox.ts'
import { noteWatched } from '../../shared/redis/watches.ts'
import type { AppContext } from '../base/app.ts'
import { lookAt } from '../base/look-at.ts'

/** Notes that a mailbox is watched; a watch that begins anew has it looked at, for nobody told what changed before. */
export async function noteWatch(app: AppContext, mailbox: MailboxId, { expiresAt, anew }: Watch): Promise<void> {
  if (anew) await lookAt(app, mailbox, { id: `watched:${mailbox}:${expiresAt}`, at: app.now(), cause: 'poll' })
  await noteWatched(app.redis, app.keys, mailbox, { expiresAt, now: app.now() })
}
