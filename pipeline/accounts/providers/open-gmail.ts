import { readInvites } from '../../../shared/calendar/invites.ts'
import type { Config } from '../../../shared/config.ts'
import { gmailMailbox } from '../../../shared/gmail/mailbox.ts'
import { addressOf, type Mailbox, type MailboxId } from '../../../shared/mailbox.ts'
import type { AccessTokens } from '../../../shared/provider/tokens.ts'
import type { Surroundings } from '../../base/surroundings.ts'

// Ids a page, or records of a history: whole batches, so that no full page ends with a thin batch.
const PAGE_SIZE = { live: 100, bulk: 500 }
const GOOGLE = 'https://gmail.googleapis.com'

/** Opens one mailbox at Google or at a simulator, with access tokens from this source. */
export function openGmail(
  config: Config,
  simUrl: string | undefined,
  mailbox: MailboxId,
  options: { account: AccessTokens; surroundings: Surroundings; now?: (() => number) | undefined },
): Mailbox {
  const { account, surroundings, now = surroundings.machine.date } = options
  const { http, machine, html } = surroundings
  const size = config.GMAIL_BATCH_SIZE
  return gmailMailbox({
    address: addressOf(mailbox),
    account,
    rootUrl: `${simUrl ?? GOOGLE}/`,
    fields: config.GMAIL_FIELDS,
    initialSync: config.INITIAL_SYNC,
    filter: { labels: config.GMAIL_LABELS, skip: config.SKIP_LABELS },
    query: config.GMAIL_QUERY,
    quota: config.GMAIL_QUOTA,
    batchSize: size,
    pageSize: { live: Math.ceil(PAGE_SIZE.live / size) * size, bulk: Math.floor(PAGE_SIZE.bulk / size) * size },
    ...(config.GMAIL_PUBSUB_TOPIC
      ? { notify: { topic: config.GMAIL_PUBSUB_TOPIC, labels: config.GMAIL_WATCH_LABELS } }
      : {}),
    now,
    ...(config.MESSAGE_BODY === 'text' ? { htmlToText: html.htmlToText, readInvites } : {}),
    http,
    machine,
  })
}
