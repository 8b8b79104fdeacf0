import type { Redis } from 'ioredis'
import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { gmailMailbox } from '../shared/gmail/mailbox.ts'
import { ownTokens } from '../shared/gmail/tokens.ts'
import { addressOf, type Mailbox, type MailboxId, providerOf } from '../shared/mailbox.ts'
import type { Keys } from '../shared/redis/keys.ts'
import { createLease } from '../shared/redis/lease.ts'
import { createVault } from '../shared/redis/secrets.ts'
import { createSeal } from '../shared/seal.ts'
import type { AccessTokens } from '../shared/tokens.ts'
import { hasAccount, oauthApp } from './oauth-app.ts'
import { sharedTokens } from './shared-tokens.ts'

/** The mailbox behind an id, the same object each time; throws `unsupported` when there is no way to reach it. */
export type Mailboxes = (mailbox: MailboxId) => Mailbox

/** Where connected accounts are kept. */
export interface Store {
  redis: Redis
  keys: Keys
}

const PAGE_SIZE = { live: 100, bulk: 500 }
const GOOGLE = 'https://gmail.googleapis.com'

/**
 * Mailboxes at Google, or at a simulator when `simUrl` names one: with the account that is kept for them in the store, if there is one,
 * else with the configured account, or one that the simulator takes. Without any, their calls throw `unauthorized`.
 */
export function openMailboxes(config: Config, simUrl: string | undefined, store?: Store): Mailboxes {
  const open = new Map<MailboxId, Mailbox>()
  return mailbox => {
    const known = open.get(mailbox) ?? openGmail(config, simUrl, mailbox, accountOf(mailbox))
    open.set(mailbox, known)
    return known
  }

  function accountOf(mailbox: MailboxId): AccessTokens {
    const otherwise = configured(mailbox)
    if (!store) return otherwise ?? noAccount(mailbox)
    const { redis, keys } = store
    const vault = createVault(redis, keys, createSeal(config.MAILBOXES_KEY))
    const lease = createLease(redis, keys.refreshing(mailbox))
    return sharedTokens(mailbox, { vault, lease, app: () => oauthApp(config, simUrl), otherwise })
  }

  function configured(mailbox: MailboxId): AccessTokens | undefined {
    if (simUrl) return ownTokens(oauthApp(config, simUrl), `simulated:${addressOf(mailbox)}`)
    const { GMAIL_REFRESH_TOKEN: refreshToken } = config
    return refreshToken && hasAccount(config) ? ownTokens(oauthApp(config, simUrl), refreshToken) : undefined
  }
}

/** One mailbox at Google or at a simulator, with access tokens of this source. */
export function openGmail(
  config: Config,
  simUrl: string | undefined,
  mailbox: MailboxId,
  account: AccessTokens,
): Mailbox {
  if (providerOf(mailbox) !== 'gmail') {
    throw new MailError('unsupported', `${mailbox}: Outlook mailboxes are not supported yet; only gmail: ones are`)
  }
  return gmailMailbox({
    address: addressOf(mailbox),
    account,
    rootUrl: `${simUrl ?? GOOGLE}/`,
    fields: config.GMAIL_FIELDS,
    initialSync: config.INITIAL_SYNC,
    filter: { labels: config.GMAIL_LABELS, skip: config.SKIP_LABELS },
    query: config.GMAIL_QUERY,
    quota: config.GMAIL_QUOTA,
    pageSize: PAGE_SIZE,
    ...(config.GMAIL_PUBSUB_TOPIC
      ? { notify: { topic: config.GMAIL_PUBSUB_TOPIC, labels: config.GMAIL_WATCH_LABELS } }
      : {}),
  })
}

function noAccount(mailbox: MailboxId): never {
  throw new MailError(
    'unauthorized',
    `${mailbox} cannot be reached: set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN, or SIM_URL for a simulator`,
  )
}
