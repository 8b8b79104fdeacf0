import type { Command } from 'commander'
import { type MailboxId, parseMailboxId, providerOf } from '../../shared/mailbox.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { PROVIDERS } from '../accounts/providers.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { printableLines } from '../base/terminal.ts'
import { explanationLines } from '../explain/explain-lines.ts'
import { explanationOf } from '../explain/explanation.ts'
import { findJourneys, messageQuery } from '../explain/journey.ts'
import { locateMessage } from '../explain/locate-message.ts'
import { checked } from './arguments.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the arguments and the action of `explain`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<message>', 'the message id of the provider, or an envelope id such as run/window/index')
    .option('--mailbox <mailbox>', 'only in this mailbox', checked(parseMailboxId))
    .option('--json', 'print one JSON object', false)
    .action(async (message, options) => {
      if (!(await explain(contextOf(options), message, options))) process.exitCode = FAILED
    })
}

/** Prints each hop of a message in every run that handled it, and returns whether any was found. Accepts the provider's id or an envelope's. */
export async function explain(
  context: CommandContext,
  text: string,
  options: { mailbox?: string | undefined } = {},
): Promise<boolean> {
  const mailbox = options.mailbox === undefined ? undefined : parseMailboxId(options.mailbox)
  return withReadableApp(context, async app => {
    const query = await messageQuery(app, text, { mailbox, signal: context.signal })
    const journeys = await findJourneys(app, query)
    const ids = new Set(journeys.flatMap(({ hops }) => hops.map(({ envelope }) => envelope.id)))
    const elsewhere = await locateMessage(app, query, ids)
    // A message that was trimmed from every stream may still be delayed, parked or dead-lettered.
    const unseen = new Map(elsewhere.map(({ run, mailbox: of }) => [run, of]))
    for (const { run } of journeys) unseen.delete(run)
    const others = [...unseen].map(([run, of]) => ({ mailbox: of, run, message: query.message, hops: [] }))
    const all = [...journeys, ...others]
    const explanations = await Promise.all(all.map(journey => explanationOf(app, journey, elsewhere)))
    const connected = (await listMailboxes(app.redis, app.keys)).map(record => record.mailbox)
    if (context.json)
      context.print(JSON.stringify({ message: query.message, seen: explanations.length > 0, stories: explanations }))
    else if (explanations.length > 0) context.print(printableLines(explanationLines(explanations, app.now())))
    else context.print(notFound(query.message, mailbox, { connected, skipped: context.config.SKIP_LABELS }))
    return explanations.length > 0
  })
}

function notFound(
  message: string,
  mailbox: MailboxId | undefined,
  { connected, skipped }: { connected: readonly MailboxId[]; skipped: readonly string[] },
): string {
  const [first = 'gmail:ana@example.com'] = mailbox ? [mailbox] : connected
  const isConnected = mailbox === undefined ? connected.length > 0 : connected.includes(mailbox)
  const used = new Set((mailbox ? [mailbox] : connected).map(providerOf))
  const providers = [...PROVIDERS.values()].filter(({ id }) => used.has(id))
  const ids = (providers.length > 0 ? providers : [...PROVIDERS.values()]).map(({ idHint }) => idHint).join('; ')
  const skipHints = providers.flatMap(({ skipHint }) => (skipHint === undefined ? [] : [skipHint]))
  const folders = skipHints.length > 0 ? ` (${skipHints.join('; ')})` : ''
  const checks = [
    ...(isConnected ? [] : [`${mailbox ?? 'no mailbox'} is connected: \`mailsluice sync ${first}\` connects it`]),
    `the id is the provider’s, not the Message-ID of the mail’s header: ${ids}`,
    'the message is newer than the first sync, or INITIAL_SYNC includes it',
    ...(skipped.length > 0 ? [`it is not filtered: SKIP_LABELS is ${skipped.join(',')}${folders}`] : []),
    'its mailbox was synced since it arrived: `mailsluice status` shows when, `mailsluice sync MAILBOX` starts a sync',
    'REDIS_PREFIX and REDIS_URL match those of the stages',
    'its entries have not been trimmed from the streams yet',
  ]
  const where = mailbox ? ` in ${mailbox}` : ''
  return [`${message} was not found${where}: no stream, delay or dead letter mentions it. Check that`]
    .concat(checks.map(check => `  - ${check}`))
    .join('\n')
}
