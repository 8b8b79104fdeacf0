import type { MailboxId, Watch } from '../../shared/mailbox.ts'
import { noteWatched } from '../../shared/redis/watches.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'

/** Records the watch of a mailbox. A recreated watch also requests a sync, because earlier changes sent no notification. */
export async function noteWatch(app: AppContext, mailbox: MailboxId, { expiresAt, recreated }: Watch): Promise<void> {
  if (recreated)
    await announceChange(app, mailbox, { id: `watched:${mailbox}:${expiresAt}`, at: app.now(), cause: 'poll' })
  await noteWatched(app.redis, app.keys, mailbox, { expiresAt, now: app.now() })
}
