import type { Command } from 'commander'
import { MailError } from '../../shared/error.ts'
import { parseMailboxId } from '../../shared/mailbox.ts'
import { redisLabel } from '../../shared/redis/connect.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { unitsSaved } from '../accounts/quotas.ts'
import { requestSync } from '../accounts/request-sync.ts'
import { brief, insist } from '../base/await-redis.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { screen } from '../base/terminal.ts'
import { untilQuiet, warnOfStandstill } from './follow.ts'
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

/** Puts a watch event in and follows the run to its end; whether it went well. */
export async function sync(context: CommandContext, name: string): Promise<boolean> {
  parseMailboxId(name)
  return withApp(context, async app => {
    const mailbox = await connected(app, context, name)
    const record = await readMailbox(app.redis, app.keys, mailbox)
    if (record?.pausedAt !== undefined)
      throw new MailError('misconfigured', `${mailbox} is paused: \`mailsluice resume ${mailbox}\` lets it go on`)
    const since = app.now()
    const run = app.newRunId()
    const patience = brief(context.config, context.signal)
    await insist(app.url, () => requestSync(app, mailbox, { run }), patience)
    const follow = () =>
      untilQuiet(app, {
        since,
        mailboxes: [mailbox],
        signal: context.signal,
        bar: !context.json && screen.isTTY === true,
        onStandstill: warnOfStandstill,
      })
    const runs = await insist(app.url, follow, patience)
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
