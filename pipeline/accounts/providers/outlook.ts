import {
  OUTLOOK_ANSWER_MS,
  OUTLOOK_FEWEST_REQUESTS,
  OUTLOOK_REQUESTS,
  OUTLOOK_UNITS,
  OUTLOOK_WINDOW_MINUTES,
} from '../../../shared/outlook/quota.ts'
import { traitsOf } from '../../../shared/provider/traits.ts'
import { hasKey, isReadByApplication } from '../account-settings.ts'
import { MICROSOFT_ISSUER } from '../oauth-app.ts'
import type { ProviderDescriptor } from './descriptor.ts'

/** Outlook, by way of Microsoft Graph: settings, limits and words. */
export const outlook: ProviderDescriptor = {
  id: 'outlook',
  label: traitsOf('outlook').label,
  company: 'Microsoft',
  issuer: MICROSOFT_ISSUER,
  idHint:
    'for Outlook the immutable id, which Graph returns with `Prefer: IdType="ImmutableId"`; the default id changes with every move',
  skipHint: 'at Outlook the folders of that kind, with their subfolders',
  permissionsPage: 'https://myapps.microsoft.com, with a personal account at https://account.live.com/consent/Manage',
  setup: 'set OUTLOOK_CLIENT_ID and MAILBOXES_KEY and run `mailsluice connect outlook`',
  accountSettings: 'OUTLOOK_CLIENT_ID and MAILBOXES_KEY and connect it with `mailsluice connect outlook`',
  simulatedList: '/control/graph/mailboxes',
  hasClient: config => config.OUTLOOK_CLIENT_ID !== undefined,
  isConfigured: config =>
    config.OUTLOOK_MAILBOXES.length > 0 || (hasKey(config) && config.OUTLOOK_CLIENT_ID !== undefined),
  isNotifying: config => config.OUTLOOK_NOTIFICATION_URL !== undefined,
  reportsWatches: true,
  fetching: config => ({ batchSize: config.OUTLOOK_BATCH_SIZE, concurrency: config.OUTLOOK_MAX_CONCURRENT_BATCHES }),
  limits: (_, { minuteMs }) => ({
    mailboxUnits: OUTLOOK_UNITS,
    requests: OUTLOOK_REQUESTS,
    fewestRequests: OUTLOOK_FEWEST_REQUESTS,
    windowMs: OUTLOOK_WINDOW_MINUTES * minuteMs,
    answerMs: OUTLOOK_ANSWER_MS,
  }),
  requestsSource: 'that it documents',
  warnings: ({ OUTLOOK_MAX_PARALLEL_PAGES: pages }) =>
    pages > OUTLOOK_REQUESTS
      ? [
          `OUTLOOK_MAX_PARALLEL_PAGES is ${pages}, and is taken as ${OUTLOOK_REQUESTS}: Microsoft answers ${OUTLOOK_REQUESTS} requests of a mailbox at a time`,
        ]
      : [],
  removalNote: (config, mailbox) =>
    isReadByApplication(config, mailbox)
      ? 'OUTLOOK_MAILBOXES names this mailbox: remove it there, or the next `up` connects it again.'
      : undefined,
  access: async () => (await import('./outlook-access.ts')).outlookAccess,
}
