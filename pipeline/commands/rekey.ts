import type { Command } from 'commander'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { scanKeys } from '../../shared/redis/scan.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { printableLine } from '../base/terminal.ts'
import { withApp } from './with-app.ts'

/** Adds the options and the action of `rekey`. */
export function define(command: Command, contextOf: ContextOf): void {
  command.option('--json', 'print one JSON object', false).action(async options => {
    if (!(await rekey(contextOf(options)))) process.exitCode = FAILED
  })
}

/** Seals all accounts with the first key of MAILBOXES_KEY, and returns whether it could open them all. Safe at any time, and concurrently. */
export async function rekey(context: CommandContext): Promise<boolean> {
  const sealingKeys = context.config.MAILBOXES_KEY
  const [first] = sealingKeys
  if (!first)
    throw new MailError(
      'misconfigured',
      'MAILBOXES_KEY is not set: set it to the new key and the old one, as v2:NEW,v1:OLD',
    )
  return withApp(context, async ({ redis, keys }) => {
    const vault = createVault(redis, keys, createSeal(sealingKeys))
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
      const rest = failed.length > 0 ? `; ${failed.length} could not be opened` : '; older keys are no longer needed'
      context.print(`${accounts} accounts, ${resealed} re-sealed with key ${first.version}${rest}`)
    }
    return failed.length === 0
  })
}
