import type { Config } from '../../../shared/config.ts'
import { addressOf, type Mailbox, type MailboxId } from '../../../shared/mailbox.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { OUTLOOK_REQUESTS } from '../../../shared/outlook/quota.ts'
import type { AccessTokens } from '../../../shared/provider/tokens.ts'
import { createLinks } from '../../../shared/redis/links.ts'
import { subscriptionMemory } from '../../../shared/redis/subscriptions.ts'
import type { Surroundings } from '../../base/surroundings.ts'
import { isReadByApplication } from '../account-settings.ts'
import type { Store } from '../store.ts'
import { notifyingOf } from './outlook-notify.ts'

const MICROSOFT = 'https://graph.microsoft.com'

/** Opens one mailbox at Microsoft or at a simulator, with access tokens from this source. The store keeps the links that its cursors name, and its subscription. */
export function openOutlook(
  config: Config,
  simUrl: string | undefined,
  mailbox: MailboxId,
  options: { account: AccessTokens; store: Store; surroundings: Surroundings },
): Mailbox {
  const { account, surroundings } = options
  const { redis, keys, now } = options.store
  const { http, machine, html } = surroundings
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
    parallel: Math.min(config.OUTLOOK_MAX_PARALLEL_PAGES, OUTLOOK_REQUESTS),
    batchSize: config.OUTLOOK_BATCH_SIZE,
    headers: config.OUTLOOK_HEADERS === 'on',
    // Its cursors hold times, and the process that continues from them may have another clock.
    ...(now ? { now } : {}),
    ...(config.MESSAGE_BODY === 'text' ? { htmlToText: html.htmlToText } : {}),
    http,
    machine,
  })
}
