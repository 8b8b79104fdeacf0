import type { Command } from 'commander'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { approve, readApproval } from '../../shared/redis/approvals.ts'
import { sendNow } from '../../shared/redis/due-now.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { resumeSink } from '../../shared/redis/sink-state.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { dollars } from '../base/money.ts'
import { printableLines } from '../base/terminal.ts'
import { unsent } from '../runtime/sending.ts'
import { readSink, sinkLines } from '../runtime/sink-facts.ts'
import { withApp, withReadableApp } from './with-app.ts'

/** Adds `approve` and `resume` to `ai`, and its own action. */
export function define(ai: Command, contextOf: ContextOf): void {
  ai.helpCommand(false)
  ai.option('--json', 'print one JSON object', false).action(options => aiState(contextOf(options)))
  ai.command('approve')
    .description('let the bulk tasks of a mailbox go, whatever they cost, for a week')
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .action((mailbox, _, command: Command) => aiApprove(contextOf(command.optsWithGlobals()), parseMailboxId(mailbox)))
  ai.command('resume')
    .description('end the pause of the sink, and let all waiting tasks ask again')
    .action((_, command: Command) => aiResume(contextOf(command.optsWithGlobals())))
}

/** Prints whether the sink takes tasks, what was spent today, and which mailboxes wait for an approval. */
export async function aiState(context: CommandContext): Promise<void> {
  await withReadableApp(context, async app => {
    const { redis, keys } = app
    const sink = await readSink(app)
    const records = await listMailboxes(redis, keys)
    const approvals = await Promise.all(
      records.map(async ({ mailbox }) => ({ mailbox, approval: await readApproval(redis, keys, mailbox) })),
    )
    const held = approvals.filter(({ approval }) => approval && approval.approvedAt === undefined)
    const waiting = held.map(
      ({ mailbox, approval }) =>
        `${mailbox}: bulk tasks wait, about ${dollars(approval?.expectedMicroUsd ?? 0)}; \`mailsluice ai approve ${mailbox}\` lets them go`,
    )
    const lines = sink ? sinkLines(sink) : ['AI_SINK is stream: tasks wait for workers of your own']
    context.print(context.json ? JSON.stringify({ sink: sink ?? null, held }) : printableLines([...lines, ...waiting]))
  })
}

/** Approves what a mailbox's bulk tasks cost. Throws `misconfigured` for an unknown mailbox. */
export async function aiApprove(context: CommandContext, mailbox: MailboxId): Promise<void> {
  await withApp(context, async ({ redis, keys, now }) => {
    if (!(await approve(redis, keys, { mailbox, now: now() })))
      throw new MailError('misconfigured', `${mailbox} is not connected; \`mailsluice mailboxes\` shows those that are`)
    context.print(
      context.json
        ? JSON.stringify({ mailbox, approved: true })
        : `${mailbox}: its bulk tasks are approved for a week, and go within a minute`,
    )
  })
}

/** Ends a pause of the sink, and lets all that waits ask again: after a budget was raised, too. */
export async function aiResume(context: CommandContext): Promise<void> {
  await withApp(context, async ({ redis, keys, now }) => {
    const resumed = await resumeSink(redis, keys)
    await sendNow(redis, keys, { now: now() })
    const tasks = await unsent({ redis, keys })
    const text = resumed ? 'The sink is resumed' : 'The sink was not paused'
    context.print(
      context.json
        ? JSON.stringify({ resumed, tasks })
        : `${text}; ${tasks} waiting tasks ask again within half a minute`,
    )
  })
}
