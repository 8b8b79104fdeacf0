import type { Command } from 'commander'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { readResult } from '../../shared/redis/results.ts'
import type { TaskResult } from '../../shared/task/result.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { dollars } from '../base/money.ts'
import { printableLines } from '../base/terminal.ts'
import { utcTime } from '../base/times.ts'
import { checked } from './arguments.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the arguments and the action of `result`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<thread>', 'the thread id of the provider, as tasks name it')
    .option('--mailbox <mailbox>', 'only in this mailbox', checked(parseMailboxId))
    .option('--json', 'print one JSON object', false)
    .action(async (thread, options) => {
      if (!(await showResult(contextOf(options), thread, options))) process.exitCode = FAILED
    })
}

/** Prints the latest answer about a thread, and returns whether there is one. */
export async function showResult(
  context: CommandContext,
  thread: string,
  { mailbox }: { mailbox?: MailboxId | undefined } = {},
): Promise<boolean> {
  return withReadableApp(context, async ({ redis, keys }) => {
    const all = mailbox ? [mailbox] : (await listMailboxes(redis, keys)).map(record => record.mailbox)
    const found = (await Promise.all(all.map(one => readResult(redis, keys, one, thread)))).filter(
      one => one !== undefined,
    )
    if (context.json) context.print(JSON.stringify({ thread, results: found }))
    else if (found.length > 0) context.print(printableLines(found.flatMap(linesOf)))
    else context.print(notFound(thread, mailbox))
    return found.length > 0
  })
}

function linesOf(result: TaskResult): string[] {
  const { mailbox, thread, model, promptVersion, at, finish = 'answered', usage, costMicroUsd, removed = {} } = result
  const tokens =
    usage && `${usage.inputTokens} tokens in (${usage.cachedTokens ?? 0} cached), ${usage.outputTokens} out`
  const cost = costMicroUsd === undefined ? undefined : dollars(costMicroUsd, 6)
  const gone = Object.entries(removed).flatMap(([what, count]) => (count ? [`${what} ${count}`] : []))
  return [
    `${thread} in ${mailbox}, ${finish} by ${model || 'an unnamed model'} at ${utcTime(at, 'minute')} UTC, prompt ${promptVersion}`,
    ...[tokens, cost].filter(one => one !== undefined).map(one => `  ${one}`),
    ...(gone.length > 0 ? [`  Removed, because no mail of the task has them: ${gone.join(', ')}`] : []),
    ...(result.note === undefined ? [] : [`  ${result.note}`]),
    ...JSON.stringify(result.output, null, 2).split('\n'),
  ]
}

function notFound(thread: string, mailbox: MailboxId | undefined): string {
  const checks = [
    'a sink answers: AI_SINK is openai. Answers of your own workers stay in `analysis-results`',
    'the id is the provider’s thread id, as tasks name it',
    'the thread was sent: `mailsluice explain MESSAGE` shows where it waits',
    'RESULT_RETENTION is not over',
  ]
  return [
    `No answer about ${thread}${mailbox ? ` in ${mailbox}` : ''}. Check that`,
    ...checks.map(check => `  - ${check}`),
  ].join('\n')
}
