import type { Config } from '../../../shared/config.ts'
import { GMAIL_FEWEST_REQUESTS, QUOTA_COSTS, UNITS_PER_MINUTE } from '../../../shared/gmail/quota.ts'
import { traitsOf } from '../../../shared/provider/traits.ts'
import type { QuotaLimits } from '../../../shared/redis/quota.ts'
import type { RunRecord } from '../../../shared/redis/runs.ts'
import { hasGmailAccount, hasKey } from '../account-settings.ts'
import { GOOGLE_ISSUER } from '../oauth-app.ts'
import type { ProviderDescriptor } from './descriptor.ts'

const NO_LIMIT = 100_000_000

/** Gmail: settings, limits and words. */
export const gmail: ProviderDescriptor = {
  id: 'gmail',
  label: traitsOf('gmail').label,
  company: 'Google',
  issuer: GOOGLE_ISSUER,
  idHint: 'for Gmail 16 hexadecimal digits',
  permissionsPage: 'https://myaccount.google.com/permissions',
  setup:
    'set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and MAILBOXES_KEY and run `mailsluice connect gmail`, or set GMAIL_REFRESH_TOKEN instead of the key',
  accountSettings: 'GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN',
  simulatedList: '/control/mailboxes',
  hasClient: config => config.GMAIL_CLIENT_ID !== undefined,
  isConfigured: config =>
    hasGmailAccount(config) || (hasKey(config) && Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET)),
  isNotifying: config => config.GMAIL_PUBSUB_TOPIC !== undefined,
  reportsWatches: false,
  fetching: config => ({ batchSize: config.GMAIL_BATCH_SIZE, concurrency: config.GMAIL_MAX_CONCURRENT_BATCHES }),
  limits,
  requestsSource: 'of GMAIL_BATCH_SIZE × GMAIL_MAX_CONCURRENT_BATCHES',
  unitsSaved,
  hasFilter: ({ part, name }, config) =>
    part === 'label' ? config.GMAIL_LABELS.includes(name) : config.GMAIL_QUERY === name,
  removalNote: (config, _, hadGrant) =>
    !hadGrant && hasGmailAccount(config)
      ? 'If GMAIL_REFRESH_TOKEN belongs to this mailbox, unset it, or the next `up` connects the mailbox again.'
      : undefined,
  access: async () => (await import('./gmail-access.ts')).gmailAccess,
}

// Simulated mail has no limit, unless the settings give one.
function limits(config: Config, { isSimulated, minuteMs }: { isSimulated: boolean; minuteMs: number }): QuotaLimits {
  const units = config.GMAIL_USER_UNITS ?? (isSimulated ? NO_LIMIT : UNITS_PER_MINUTE[config.GMAIL_QUOTA])
  return {
    mailboxUnits: Math.floor(units * config.GMAIL_QUOTA_SHARE),
    projectUnits: config.GMAIL_PROJECT_UNITS,
    requests: config.GMAIL_BATCH_SIZE * config.GMAIL_MAX_CONCURRENT_BATCHES,
    fewestRequests: GMAIL_FEWEST_REQUESTS,
    windowMs: minuteMs,
  }
}

function unitsSaved({ calls, fates, context, units }: RunRecord, config: Pick<Config, 'GMAIL_QUOTA'>): number {
  const { messageGet, messageList, historyList, profile } = QUOTA_COSTS[config.GMAIL_QUOTA]
  const listing = calls.list * messageList + calls.history * historyList + calls.profile * profile
  return (fates.fetched + fates.gone + context) * messageGet + listing - units
}
