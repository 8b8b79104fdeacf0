import type { MailboxId, Watch } from '../../shared/mailbox.ts'
import { noteWatched } from '../../shared/redis/watches.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'

/** Notes that a mailbox is watched; a watch that begins anew has it looked at, for nobody told what changed before. */
export async function noteWatch(app: AppContext, mailbox: MailboxId, { expiresAt, recreated }: Watch): Promise<void> {
  if (recreated)
    await announceChange(app, mailbox, { id: `watched:${mailbox}:${expiresAt}`, at: app.now(), cause: 'poll' })
  await noteWatched(app.redis, app.keys, mailbox, { expiresAt, now: app.now() })
}
