import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { postWatchEvent } from '../../shared/redis/mailboxes.ts'
import { mailsFor } from './mail.ts'
import type { Rig } from './rig.ts'
import { untilSettled } from './settled.ts'
import type { Tasks } from './tasks.ts'

/** A sender of mail to some mailboxes in turn, with a push for each. */
export interface Mailer {
  /** Delivers a mail to the next mailbox; resolves to the time from delivery to task in ms, at most 30,000. Calls may overlap. */
  send(): Promise<number>
}

const PUSH_MS = 100
const MAX_MS = 30_000

/** Syncs the mailboxes and opens a mailer. The simulated Gmail pushes one change per second and mailbox, so mail goes to each in turn; for Outlook the mailer writes the push itself. */
export async function openMailer(rig: Rig, mailboxes: readonly MailboxId[], tasks: Tasks): Promise<Mailer> {
  const { app, sim, signal } = rig
  const begunAt = app.now()
  await Promise.all(mailboxes.map(mailbox => requestSync(app, mailbox)))
  await untilSettled(rig, mailboxes, { since: begunAt })
  const call = { signal, meter: () => undefined }
  const isPushed = (mailbox: MailboxId) => providerOf(mailbox) === 'gmail'
  await Promise.all(mailboxes.filter(isPushed).map(mailbox => rig.mailboxes(mailbox).watch(call)))
  // A new watch sends a push, which requests a run.
  await rig.pause(PUSH_MS)
  await untilSettled(rig, mailboxes, { since: begunAt })

  let sent = 0
  return {
    async send() {
      const mailbox = mailboxes[sent % mailboxes.length]
      if (!mailbox) throw new Error('there is no mailbox to send to')
      sent += 1
      const address = addressOf(mailbox)
      const [raw = ''] = mailsFor(address, `sent-${sent}`, 1)
      const deliveredAt = app.now()
      const { id } = await (isPushed(mailbox) ? sim.deliver(address, raw) : deliverAndPush(rig, mailbox, raw))
      const writtenAt = await tasks.writtenAt(id, MAX_MS)
      return writtenAt === undefined ? MAX_MS : writtenAt - deliveredAt
    },
  }
}

async function deliverAndPush({ app, sim }: Rig, mailbox: MailboxId, raw: string): Promise<{ id: string }> {
  const delivered = await sim.graph.deliver(addressOf(mailbox), raw)
  const event = { run: app.newRunId(), at: app.now(), body: { cause: 'push' as const } }
  await postWatchEvent(app.redis, app.keys, mailbox, event)
  return delivered
}
