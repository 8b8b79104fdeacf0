import type { Command } from 'commander'
import { parseMailboxId } from '../../shared/mailbox.ts'
import { pauseMailbox, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { withApp } from './with-app.ts'

/** Adds the argument and the action of `pause` or `resume`, depending on the command. */
export function define(command: Command, contextOf: ContextOf): void {
  const act = command.name() === 'pause' ? pause : resume
  command
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => act(contextOf(options), mailbox))
}

/** Pauses a mailbox: its work waits until it is resumed. */
export async function pause(context: CommandContext, name: string): Promise<void> {
  await withApp(context, async ({ redis, keys, now }) => {
    const mailbox = parseMailboxId(name)
    await pauseMailbox(redis, keys, mailbox, now())
    context.print(
      context.json
        ? JSON.stringify({ mailbox, paused: true })
        : `${mailbox} is paused; \`mailsluice resume ${mailbox}\` resumes it`,
    )
  })
}

/** Resumes a paused or parked mailbox. */
export async function resume(context: CommandContext, name: string): Promise<void> {
  await withApp(context, async ({ redis, keys, now }) => {
    const mailbox = parseMailboxId(name)
    const entries = await resumeMailbox(redis, keys, mailbox, { unpause: true, now: now() })
    context.print(
      context.json ? JSON.stringify({ mailbox, entries }) : `${mailbox}: resumed; ${entries} parked entries released`,
    )
  })
}
