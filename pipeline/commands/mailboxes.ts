import type { Command } from 'commander'
import { listMailboxes, type MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import { connectCommands } from '../accounts/providers.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { sinceRead, stateOf } from '../base/mailbox-state.ts'
import { table } from '../base/table.ts'
import { utcTime } from '../base/times.ts'
import { unmatchedFilters } from '../runtime/findings.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the options and the action of `mailboxes`. */
export function define(command: Command, contextOf: ContextOf): void {
  command.option('--json', 'print one JSON object', false).action(options => mailboxes(contextOf(options)))
}

/** Prints the connected mailboxes: their account, their state, and when their last change was read. */
export async function mailboxes(context: CommandContext): Promise<void> {
  await withReadableApp(context, async app => {
    const { redis, keys, now } = app
    const listed = await listMailboxes(redis, keys)
    const records = await Promise.all(
      listed.map(async record => ({ ...record, idleFilters: await unmatchedFilters(app, record.mailbox) })),
    )
    const sealed = await createVault(redis, keys, createSeal([])).has(records.map(({ mailbox }) => mailbox))
    const accountOf = ({ mailbox }: MailboxRecord) => (sealed.has(mailbox) ? 'connected' : 'from the settings')
    if (context.json) {
      const found = records.map(record => ({
        ...record,
        account: sealed.has(record.mailbox) ? 'connected' : 'settings',
      }))
      context.print(JSON.stringify({ mailboxes: found }))
      return
    }
    const rows = table(['mailbox', 'account', 'last change read', 'watched until', 'state'], 5)
    for (const record of records) {
      const until = record.watchExpiresAt
      const watched = until === undefined ? 'not watched' : utcTime(until, 'minute')
      rows.push([record.mailbox, accountOf(record), sinceRead(record, now()), watched, stateOf(record)])
    }
    context.print(
      records.length > 0
        ? [rows.toString(), ...records.flatMap(record => record.idleFilters)].join('\n')
        : `No mailbox is connected. Connect one with ${connectCommands()}.`,
    )
  })
}
