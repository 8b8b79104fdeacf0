import type { Command } from 'commander'
import { MailError } from '../../shared/error.ts'
import { parseMailboxId } from '../../shared/mailbox.ts'
import { redisLabel } from '../../shared/redis/connect.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { unitsSaved } from '../accounts/quotas.ts'
import { requestSync } from '../accounts/request-sync.ts'
import { retryUntilServing, waitBriefly } from '../base/await-redis.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { stallWarning, untilQuiet } from './follow.ts'
import { summarise, summaryTable } from './summary.ts'
import { connected, withApp } from './with-app.ts'

/** Adds the arguments and the action of `sync`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--json', 'print one JSON object', false)
    .action(async (mailbox, options) => {
      if (!(await sync(contextOf(options), mailbox))) process.exitCode = FAILED
    })
}

/** Requests a sync and follows its run to the end; returns whether it succeeded. */
export async function sync(context: CommandContext, name: string): Promise<boolean> {
  parseMailboxId(name)
  return withApp(context, async app => {
    const mailbox = await connected(app, context, name)
    const record = await readMailbox(app.redis, app.keys, mailbox)
    if (record?.pausedAt !== undefined)
      throw new MailError('misconfigured', `${mailbox} is paused; \`mailsluice resume ${mailbox}\` resumes it`)
    const since = app.now()
    const run = app.newRunId()
    const { terminal } = context
    const patience = waitBriefly(context)
    await retryUntilServing(app.url, () => requestSync(app, mailbox, { run }), patience)
    const follow = () =>
      untilQuiet(app, {
        since,
        mailboxes: [mailbox],
        signal: context.signal,
        bar: !context.json && terminal.screen.isTTY ? terminal.screen : undefined,
        onStall: stallWarning(terminal),
      })
    const runs = await retryUntilServing(app.url, follow, patience)
    const summary = summarise(runs, {
      saved: run => unitsSaved(run, app.config),
      mailboxes: 1,
      seconds: (app.now() - since) / 1000,
      redis: await redisLabel(app.redis),
    })
    context.print(context.json ? JSON.stringify(summary) : summaryTable(runs, summary))
    return summary.ok
  })
}
