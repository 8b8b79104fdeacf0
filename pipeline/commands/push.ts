import type { Command } from 'commander'
import { parseMailboxId } from '../../shared/mailbox.ts'
import { requestSync } from '../accounts/request-sync.ts'
import { brief, insist } from '../base/await-redis.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { checked, historyId } from './arguments.ts'
import { connected, withApp } from './with-app.ts'

/** Adds the arguments and the action of `push`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--history-id <id>', 'the history id a push notification would carry', checked(historyId))
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => push(contextOf(options), mailbox, options.historyId))
}

/** Puts a watch event in. */
export async function push(context: CommandContext, name: string, historyId: string | undefined): Promise<void> {
  parseMailboxId(name)
  await withApp(context, async app => {
    const mailbox = await connected(app, context, name)
    const run = app.newRunId()
    // Asked for twice under one name it is one run.
    const ask = () => requestSync(app, mailbox, { historyId, run })
    await insist(app.url, ask, brief(context.config, context.signal))
    context.print(context.json ? JSON.stringify({ mailbox, run }) : `${mailbox}: run ${run} asked for`)
  })
}
