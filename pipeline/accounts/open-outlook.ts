import type { Config } from '../../shared/config.ts'
import { addressOf, type Mailbox, type MailboxId } from '../../shared/mailbox.ts'
import { outlookMailbox } from '../../shared/outlook/mailbox.ts'
import type { AccessTokens } from '../../shared/provider/tokens.ts'
import { createLinks } from '../../shared/redis/links.ts'
import { subscriptionMemory } from '../../shared/redis/subscriptions.ts'
import type { Log } from '../base/log.ts'
import type { Store } from './account-of.ts'
import { isReadByApplication } from './account-settings.ts'
import { notifyingOf } from './outlook-notify.ts'

const MICROSOFT = 'https://graph.microsoft.com'
// So many requests of a mailbox Graph answers at a time (learn.microsoft.com/graph/throttling-limits#outlook-service-limits).
const MOST_PARALLEL_PAGES = 4

/** Says that more folders are to be asked at a time than Microsoft allows, where that is so, and what is done instead. */
export function tellOfCap({ OUTLOOK_MAX_PARALLEL_PAGES: pages }: Config, log: Pick<Log, 'warn'>): void {
  if (pages <= MOST_PARALLEL_PAGES) return
  const why = `Microsoft answers ${MOST_PARALLEL_PAGES} requests of a mailbox at a time`
  log.warn(`OUTLOOK_MAX_PARALLEL_PAGES is ${pages}, and is taken as ${MOST_PARALLEL_PAGES}: ${why}`)
}

/** One mailbox at Microsoft or at a simulator, with access tokens of this source; what its cursors name, and its subscription, are kept in the store. */
export function openOutlook(
  config: Config,
  simUrl: string | undefined,
  mailbox: MailboxId,
  { account, store: { redis, keys, now } }: { account: AccessTokens; store: Store },
): Mailbox {
  return outlookMailbox({
    address: addressOf(mailbox),
    tokens: account,
    application: isReadByApplication(config, mailbox),
    links: createLinks(redis, keys, mailbox),
    subscription: subscriptionMemory(redis, keys, mailbox),
    notify: () => notifyingOf(config, simUrl, mailbox),
    rootUrl: `${simUrl ?? MICROSOFT}/v1.0`,
    initialSync: config.INITIAL_SYNC,
    filter: { labels: [], skip: config.SKIP_LABELS },
    pageSize: config.OUTLOOK_PAGE_SIZE,
    parallel: Math.min(config.OUTLOOK_MAX_PARALLEL_PAGES, MOST_PARALLEL_PAGES),
    batchSize: config.OUTLOOK_BATCH_SIZE,
    // Its cursors hold times, and whoever goes on with them may have another clock.
    ...(now ? { now } : {}),
  })
}
