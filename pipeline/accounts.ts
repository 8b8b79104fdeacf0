import { MailError } from '../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../shared/mailbox.ts'
import { listMailboxes, type MailboxRecord, pauseMailbox, resumeMailbox } from '../shared/redis/mailboxes.ts'
import { scanKeys } from '../shared/redis/scan.ts'
import { createVault } from '../shared/redis/secrets.ts'
import { createSeal } from '../shared/seal.ts'
import { type CommandContext, withOffice, withReadableOffice } from './commands.ts'
import { idleFilters } from './findings.ts'
import { sinceRead, stateOf } from './mailbox-state.ts'
import { table } from './table.ts'
import { printableLine } from './terminal.ts'

/** Shows the connected mailboxes: their account, their state, and when their last change was read. */
export async function mailboxes(context: CommandContext): Promise<void> {
  await withReadableOffice(context, async office => {
    const { redis, keys, now } = office
    const listed = await listMailboxes(redis, keys)
    const records = await Promise.all(
      listed.map(async record => ({ ...record, idleFilters: await idleFilters(office, record.mailbox) })),
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

/** Pauses a mailbox. */
export async function pause(context: CommandContext, name: string): Promise<void> {
  await withOffice(context, async ({ redis, keys, now }) => {
    const mailbox = parseMailboxId(name)
    await pauseMailbox(redis, keys, mailbox, now())
    context.print(
      context.json
        ? JSON.stringify({ mailbox, paused: true })
        : `${mailbox} is paused: its work waits until \`mailsluice resume ${mailbox}\``,
    )
  })
}

/** Lets a mailbox go on that is paused or waits for its account. */
export async function resume(context: CommandContext, name: string): Promise<void> {
  await withOffice(context, async ({ redis, keys, now }) => {
    const mailbox = parseMailboxId(name)
    const entries = await resumeMailbox(redis, keys, mailbox, { unpause: true, now: now() })
    context.print(context.json ? JSON.stringify({ mailbox, entries }) : `${mailbox}: ${entries} waiting entries go on`)
  })
}

/** Seals all accounts with the first key of MAILBOXES_KEY; whether it could open them all. Safe to do at any time, and twice at once. */
export async function rekey(context: CommandContext): Promise<boolean> {
  const keysHeld = context.config.MAILBOXES_KEY
  const [first] = keysHeld
  if (!first)
    throw new MailError(
      'misconfigured',
      'MAILBOXES_KEY is not set: set it to the new key and the old, as v2:NEW,v1:OLD',
    )
  return withOffice(context, async ({ redis, keys }) => {
    const vault = createVault(redis, keys, createSeal(keysHeld))
    const failed: { mailbox: MailboxId; error: string }[] = []
    let accounts = 0
    let resealed = 0
    for await (const page of scanKeys(redis, `${keys.head()}secret:*`)) {
      for (const key of page) {
        if (context.signal.aborted) return false
        const mailbox = parseMailboxId(key.slice(key.indexOf(':secret:') + ':secret:'.length))
        accounts += 1
        try {
          if ((await vault.reseal(mailbox)) > 0) resealed += 1
        } catch (error) {
          if (!(error instanceof MailError)) throw error
          failed.push({ mailbox, error: error.message })
        }
      }
    }
    if (context.json) context.print(JSON.stringify({ key: first.version, accounts, resealed, failed }))
    else {
      for (const { error } of failed) context.print(printableLine(error))
      const rest = failed.length > 0 ? `; ${failed.length} could not be opened` : '; no other key is needed any more'
      context.print(`${accounts} accounts, ${resealed} of them sealed anew with key ${first.version}${rest}`)
    }
    return failed.length === 0
  })
}
