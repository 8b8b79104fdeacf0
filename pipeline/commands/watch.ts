import type { Command } from 'commander'
import { noteUnwatched } from '../../shared/redis/watches.ts'
import { reachMailboxes } from '../accounts/mail-source.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { noteWatch } from '../keeper/watched.ts'
import { connected, withApp } from './with-app.ts'

/** Adds the argument and the action of `watch` or `unwatch`, depending on the command. */
export function define(command: Command, contextOf: ContextOf): void {
  const act = command.name() === 'watch' ? watch : unwatch
  command
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => act(contextOf(options), mailbox))
}

/** Subscribes to the change notifications of a mailbox; the keeper renews the watch daily. */
export async function watch(context: CommandContext, name: string): Promise<void> {
  const { config, signal, json, print } = context
  await withApp(context, async app => {
    const mailbox = await connected(app, context, name)
    const mailboxes = reachMailboxes(config, await findSimulator(config))(app)
    const made = await mailboxes(mailbox).watch({ signal, meter: () => undefined })
    await noteWatch(app, mailbox, made)
    const { expiresAt } = made
    const until = new Date(expiresAt).toISOString()
    print(json ? JSON.stringify({ mailbox, expiresAt }) : `${mailbox}: watched until ${until}; the keeper renews it`)
  })
}

/** Ends the change notifications of a mailbox; the keeper renews the watch no more until `watch` runs again. */
export async function unwatch(context: CommandContext, name: string): Promise<void> {
  const { config, signal, json, print } = context
  await withApp(context, async app => {
    const mailbox = await connected(app, context, name)
    const mailboxes = reachMailboxes(config, await findSimulator(config))(app)
    await mailboxes(mailbox).stop({ signal, meter: () => undefined })
    await noteUnwatched(app.redis, app.keys, mailbox)
    print(json ? JSON.stringify({ mailbox, watched: false }) : `${mailbox}: no longer watched`)
  })
}
