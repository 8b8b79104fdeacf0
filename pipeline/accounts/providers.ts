import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { gmailMailbox } from '../../shared/gmail/mailbox.ts'
import { addressOf, type Mailbox, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { AccessTokens } from '../../shared/provider/tokens.ts'
import { accountsOf, type Store } from './account-of.ts'
import { openOutlook } from './open-outlook.ts'

/** The mailbox behind an id, the same object each time; throws `unsupported` when there is no way to reach it. */
export type Mailboxes = (mailbox: MailboxId) => Mailbox

// Ids a page, or records of a history: whole batches, so that a full page ends with no thin one.
const PAGE_SIZE = { live: 100, bulk: 500 }
const GOOGLE = 'https://gmail.googleapis.com'

/**
 * Mailboxes at their providers, or at a simulator when `simUrl` names one, with their accounts; without any, their calls throw `unauthorized`.
 * Those at Outlook need the store.
 */
export function openMailboxes(config: Config, simUrl: string | undefined, store?: Store): Mailboxes {
  const open = new Map<MailboxId, Mailbox>()
  const accountOf = accountsOf(config, simUrl, store)
  return mailbox => {
    const known = open.get(mailbox) ?? openOne(mailbox, accountOf(mailbox))
    open.set(mailbox, known)
    return known
  }

  function openOne(mailbox: MailboxId, account: AccessTokens): Mailbox {
    if (providerOf(mailbox) === 'gmail') return openGmail(config, simUrl, mailbox, account, store?.now)
    if (!store)
      throw new MailError('unsupported', `${mailbox}: there is nowhere to keep how far its folders were listed`)
    return openOutlook(config, simUrl, mailbox, { account, store })
  }
}

/** One mailbox at Google or at a simulator, with access tokens of this source. */
export function openGmail(
  config: Config,
  simUrl: string | undefined,
  mailbox: MailboxId,
  account: AccessTokens,
  now?: () => number,
): Mailbox {
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
    ...(now ? { now } : {}),
  })
}
