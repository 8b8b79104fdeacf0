import { type MailboxId, PROVIDERS, type Provider, parseMailboxId, providerOf } from '../shared/mailbox.ts'
import { listMailboxes } from '../shared/redis/mailboxes.ts'
import { type CommandContext, withReadableOffice } from './commands.ts'
import { explanationLines } from './explain-lines.ts'
import { findJourneys, questFor } from './journey.ts'
import { storyOf } from './story.ts'
import { printableLines } from './terminal.ts'
import { findElsewhere } from './whereabouts.ts'

/** Shows a message's way hop by hop, in each run that met it; whether there was one. The id may be the provider's or an envelope's. */
export async function explain(
  context: CommandContext,
  text: string,
  options: { mailbox?: string | undefined } = {},
): Promise<boolean> {
  const mailbox = options.mailbox === undefined ? undefined : parseMailboxId(options.mailbox)
  return withReadableOffice(context, async office => {
    const quest = await questFor(office, text, { mailbox, signal: context.signal })
    const journeys = await findJourneys(office, quest)
    const ids = new Set(journeys.flatMap(({ hops }) => hops.map(({ envelope }) => envelope.id)))
    const elsewhere = await findElsewhere(office, quest, ids)
    // What is not in any stream any more may wait somewhere still.
    const unseen = new Map(elsewhere.map(({ run, mailbox: of }) => [run, of]))
    for (const { run } of journeys) unseen.delete(run)
    const others = [...unseen].map(([run, of]) => ({ mailbox: of, run, message: quest.message, hops: [] }))
    const all = [...journeys, ...others]
    const stories = await Promise.all(all.map(journey => storyOf(office, journey, elsewhere)))
    const connected = (await listMailboxes(office.redis, office.keys)).map(record => record.mailbox)
    if (context.json) context.print(JSON.stringify({ message: quest.message, seen: stories.length > 0, stories }))
    else if (stories.length > 0) context.print(printableLines(explanationLines(stories, office.now())))
    else context.print(neverSeen(quest.message, mailbox, { connected, skipped: context.config.SKIP_LABELS }))
    return stories.length > 0
  })
}

const IDS: Readonly<Record<Provider, string>> = {
  gmail: 'for Gmail 16 hexadecimal digits',
  outlook:
    'for Outlook the immutable one, which Graph tells with `Prefer: IdType="ImmutableId"`; the usual one changes with every move',
}

function neverSeen(
  message: string,
  mailbox: MailboxId | undefined,
  { connected, skipped }: { connected: readonly MailboxId[]; skipped: readonly string[] },
): string {
  const [first = 'gmail:ana@example.com'] = mailbox ? [mailbox] : connected
  const isConnected = mailbox === undefined ? connected.length > 0 : connected.includes(mailbox)
  const providers = PROVIDERS.filter(provider => (mailbox ? [mailbox] : connected).map(providerOf).includes(provider))
  const ids = (providers.length > 0 ? providers : PROVIDERS).map(provider => IDS[provider]).join('; ')
  const folders = providers.includes('outlook')
    ? ' (at Outlook the folders of that kind, with all that is in them)'
    : ''
  const checks = [
    ...(isConnected ? [] : [`${mailbox ?? 'no mailbox'} is connected: \`mailsluice sync ${first}\` connects it`]),
    `the id is the provider’s, not the Message-ID of the mail’s header: ${ids}`,
    'the mail is newer than the first sync, or among what INITIAL_SYNC lets that one read',
    ...(skipped.length > 0 ? [`it is not left out: SKIP_LABELS is ${skipped.join(',')}${folders}`] : []),
    'its mailbox was synced since it came: `mailsluice status` tells when, `mailsluice sync MAILBOX` asks for it',
    'REDIS_PREFIX and REDIS_URL are those the stages run with',
    'it was not so long ago that its entries have been trimmed from the streams',
  ]
  const where = mailbox ? ` in ${mailbox}` : ''
  return [`${message} was never seen${where}: no stream, delay or dead letter tells of it. Check that`]
    .concat(checks.map(check => `  - ${check}`))
    .join('\n')
}
