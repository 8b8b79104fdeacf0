import { MailError } from '../../../shared/error.ts'
import { addressOf } from '../../../shared/mailbox.ts'
import { applicationTokens, ownTokens } from '../../../shared/outlook/tokens.ts'
import { isReadByApplication } from '../account-settings.ts'
import { outlookConsent } from '../consent/outlook.ts'
import { microsoftApp, microsoftApplication } from '../oauth-app.ts'
import { microsoftRenewal } from '../renewal.ts'
import type { ProviderAccess } from './descriptor.ts'
import { openOutlook } from './open-outlook.ts'

/** Outlook's accounts and mailboxes. */
export const outlookAccess: ProviderAccess = {
  accounts(config, simUrl, { http, machine }) {
    const application =
      config.OUTLOOK_MAILBOXES.length > 0
        ? applicationTokens(microsoftApplication(config, simUrl, http), machine.date)
        : undefined
    return {
      fixed: mailbox => (isReadByApplication(config, mailbox) ? application : undefined),
      fallback: mailbox =>
        simUrl
          ? ownTokens(microsoftApp(config, simUrl, http), `simulated:${addressOf(mailbox)}`, machine.date)
          : undefined,
      renewal: microsoftRenewal(() => microsoftApp(config, simUrl, http)),
    }
  },

  consent: outlookConsent,

  open({ config, simUrl, mailbox, account, store, surroundings }) {
    if (store) return openOutlook(config, simUrl, mailbox, { account, store, surroundings })
    throw new MailError('unsupported', `${mailbox}: opening it needs Redis, which stores the cursors of its folders`)
  },

  listConfigured: async config => config.OUTLOOK_MAILBOXES,

  async revoke() {
    throw new MailError('unsupported', 'Microsoft does not let apps revoke grants')
  },
}
