import { MailError } from '../../shared/error.ts'
import { addressOf, type MailboxId } from '../../shared/mailbox.ts'
import { connectMailbox, postWatchEvent, readMailbox, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import type { AppContext } from '../base/app.ts'
import type { Mailboxes } from './mailboxes.ts'

/** Asks for a sync of a mailbox and returns the id of its run. While another run is active, a run with another id follows that one instead. */
export async function requestSync(
  app: AppContext,
  mailbox: MailboxId,
  { historyId, run = app.newRunId() }: { historyId?: string | undefined; run?: string } = {},
): Promise<string> {
  const body = historyId === undefined ? { cause: 'request' as const } : { cause: 'push' as const, historyId }
  return postWatchEvent(app.redis, app.keys, mailbox, { run, at: app.now(), body })
}

/**
 * Connects a mailbox that is not known yet: asks the provider for its address, and pins the cursor from which its first sync starts. A
 * mailbox that waits for its account is probed as well, and resumed if the provider answers. Any other mailbox costs no call. Throws
 * `misconfigured` when the provider answers for another address.
 */
export async function connectIfNew(
  app: AppContext,
  mailboxes: () => Mailboxes | Promise<Mailboxes>,
  mailbox: MailboxId,
  signal: AbortSignal,
): Promise<void> {
  const known = await readMailbox(app.redis, app.keys, mailbox)
  if (known && known.needsReauth === undefined) return
  const { address, cursor } = await (await mailboxes())(mailbox).open({ signal, meter: () => undefined })
  if (address.toLowerCase() !== addressOf(mailbox)) {
    throw new MailError('misconfigured', `the account that is set belongs to ${address}, not to ${addressOf(mailbox)}`)
  }
  if (known) await resumeMailbox(app.redis, app.keys, mailbox, { now: app.now() })
  else await connectMailbox(app.redis, app.keys, mailbox, cursor, app.now())
}
