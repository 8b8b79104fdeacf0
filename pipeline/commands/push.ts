import type { Command } from 'commander'
import { parseMailboxId } from '../../shared/mailbox.ts'
import { requestSync } from '../accounts/request-sync.ts'
import { retryUntilServing, waitBriefly } from '../base/await-redis.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { checked, historyId } from './arguments.ts'
import { connected, withApp } from './with-app.ts'

/** Adds the arguments and the action of `push`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--history-id <id>', 'the history id of the simulated push notification', checked(historyId))
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => push(contextOf(options), mailbox, options.historyId))
}

/** Requests a sync of a mailbox, and connects the mailbox first if it is new. */
export async function push(context: CommandContext, name: string, historyId: string | undefined): Promise<void> {
  parseMailboxId(name)
  await withApp(context, async app => {
    const mailbox = await connected(app, context, name)
    const run = app.newRunId()
    // A retry under the same run id requests the same run.
    const request = () => requestSync(app, mailbox, { historyId, run })
    await retryUntilServing(app.url, request, waitBriefly(context))
    context.print(context.json ? JSON.stringify({ mailbox, run }) : `${mailbox}: run ${run} requested`)
  })
}
