import type { Command } from 'commander'
import { listMailboxes, type MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { sinceRead, stateOf } from '../base/mailbox-state.ts'
import { table } from '../base/table.ts'
import { idleFilters } from '../runtime/findings.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the options and the action of `mailboxes`. */
export function define(command: Command, contextOf: ContextOf): void {
  command.option('--json', 'print one JSON object', false).action(options => mailboxes(contextOf(options)))
}

/** Shows the connected mailboxes: their account, their state, and when their last change was read. */
export async function mailboxes(context: CommandContext): Promise<void> {
  await withReadableApp(context, async app => {
    const { redis, keys, now } = app
    const listed = await listMailboxes(redis, keys)
    const records = await Promise.all(
      listed.map(async record => ({ ...record, idleFilters: await idleFilters(app, record.mailbox) })),
    )
    const kept = await createVault(redis, keys, createSeal([])).has(records.map(({ mailbox }) => mailbox))
    const accountOf = ({ mailbox }: MailboxRecord) => (kept.has(mailbox) ? 'connected' : 'from the settings')
    if (context.json) {
      const found = records.map(record => ({ ...record, account: kept.has(record.mailbox) ? 'connected' : 'settings' }))
      context.print(JSON.stringify({ mailboxes: found }))
      return
    }
    const rows = table(['mailbox', 'account', 'last change read', 'watched until', 'state'], 5)
    for (const record of records) {
      const until = record.watchExpiresAt
      const watched = until === undefined ? 'not watched' : new Date(until).toISOString().slice(0, 16).replace('T', ' ')
      rows.push([record.mailbox, accountOf(record), sinceRead(record, now()), watched, stateOf(record)])
    }
    context.print(
      records.length > 0
        ? [rows.toString(), ...records.flatMap(record => record.idleFilters)].join('\n')
        : 'No mailbox is connected: `mailsluice connect gmail` or `connect outlook` connects one.',
    )
  })
}
