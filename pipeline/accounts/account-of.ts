import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { ownTokens as ownGoogleTokens } from '../../shared/gmail/tokens.ts'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { applicationTokens, ownTokens as ownMicrosoftTokens } from '../../shared/outlook/tokens.ts'
import type { AccessTokens } from '../../shared/provider/tokens.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { createLease } from '../../shared/redis/lease.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import { createLog } from '../base/log.ts'
import { hasGmailAccount, isReadByApplication } from './account-settings.ts'
import { warnOfInvalid } from './invalid-cache.ts'
import { googleApp, issuerOf, microsoftApp, microsoftApplication } from './oauth-app.ts'
import { googleRenewal, microsoftRenewal } from './renewal.ts'
import { sharedTokens } from './shared-tokens.ts'

/** Where connected accounts are kept. */
export interface Store {
  redis: Redis
  keys: Keys
  /** The time that all processes share; this machine's where it is absent. */
  now?: () => number
}

/**
 * Access tokens by mailbox: the app's own for OUTLOOK_MAILBOXES, the same for all of them; else of the account that is kept in the
 * store, if there is one, else of the configured account, or of one that the simulator takes. Throws `unauthorized` without any, and
 * `misconfigured` at once where the app cannot read OUTLOOK_MAILBOXES.
 */
export function accountsOf(
  config: Config,
  simUrl: string | undefined,
  store?: Store,
): (mailbox: MailboxId) => AccessTokens {
  const application =
    config.OUTLOOK_MAILBOXES.length > 0 ? applicationTokens(microsoftApplication(config, simUrl)) : undefined
  const onInvalid = warnOfInvalid(createLog(config, 'mailsluice'))
  const renewal = {
    gmail: googleRenewal(() => googleApp(config, simUrl)),
    outlook: microsoftRenewal(() => microsoftApp(config, simUrl)),
  }

  return mailbox => {
    if (application && isReadByApplication(config, mailbox)) return application
    const otherwise = configured(mailbox)
    if (!store) return otherwise ?? noAccount(mailbox)
    const { redis, keys, now } = store
    const vault = createVault(redis, keys, createSeal(config.MAILBOXES_KEY), onInvalid, provider =>
      issuerOf(provider, simUrl),
    )
    const lease = createLease(redis, keys.refreshing(mailbox))
    const options = { vault, lease, renewal: renewal[providerOf(mailbox)], otherwise }
    return sharedTokens(mailbox, now ? { ...options, now } : options)
  }

  function configured(mailbox: MailboxId): AccessTokens | undefined {
    const simulated = `simulated:${addressOf(mailbox)}`
    if (providerOf(mailbox) === 'outlook') {
      return simUrl ? ownMicrosoftTokens(microsoftApp(config, simUrl), simulated) : undefined
    }
    if (simUrl) return ownGoogleTokens(googleApp(config, simUrl), simulated)
    const { GMAIL_REFRESH_TOKEN: refreshToken } = config
    return refreshToken && hasGmailAccount(config)
      ? ownGoogleTokens(googleApp(config, simUrl), refreshToken)
      : undefined
  }
}

function noAccount(mailbox: MailboxId): never {
  const settings =
    providerOf(mailbox) === 'outlook'
      ? 'OUTLOOK_CLIENT_ID and MAILBOXES_KEY and connect it with `mailsluice connect outlook`'
      : 'GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN'
  throw new MailError('unauthorized', `${mailbox} cannot be reached: set ${settings}, or SIM_URL for a simulator`)
}
