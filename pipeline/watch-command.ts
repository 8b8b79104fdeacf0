import { noteUnwatched } from '../shared/redis/watches.ts'
import { type CommandContext, connected, withOffice } from './commands.ts'
import { reachMailboxes } from './mail-source.ts'
import { findSimulator } from './simulator.ts'
import { noteWatch } from './watched.ts'

/** Has a mailbox's provider notify of changes; the keeper renews it daily. */
export async function watch(context: CommandContext, name: string): Promise<void> {
  const { config, signal, json, print } = context
  await withOffice(context, async office => {
    const mailbox = await connected(office, context, name)
    const mailboxes = reachMailboxes(config, await findSimulator(config))(office)
    const made = await mailboxes(mailbox).watch({ signal, meter: () => undefined })
    await noteWatch(office, mailbox, made)
    const { expiresAt } = made
    const until = new Date(expiresAt).toISOString()
    print(json ? JSON.stringify({ mailbox, expiresAt }) : `${mailbox}: watched until ${until}; the keeper renews it`)
  })
}

/** Has a mailbox's provider notify no more, and nobody renew it until it is watched again. */
export async function unwatch(context: CommandContext, name: string): Promise<void> {
  const { config, signal, json, print } = context
  await withOffice(context, async office => {
    const mailbox = await connected(office, context, name)
    const mailboxes = reachMailboxes(config, await findSimulator(config))(office)
    await mailboxes(mailbox).stop({ signal, meter: () => undefined })
    await noteUnwatched(office.redis, office.keys, mailbox)
    print(json ? JSON.stringify({ mailbox, watched: false }) : `${mailbox}: not watched any more`)
  })
}
