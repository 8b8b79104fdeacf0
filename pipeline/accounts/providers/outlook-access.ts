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
  accounts(config, simUrl) {
    const application =
      config.OUTLOOK_MAILBOXES.length > 0 ? applicationTokens(microsoftApplication(config, simUrl)) : undefined
    return {
      fixed: mailbox => (isReadByApplication(config, mailbox) ? application : undefined),
      fallback: mailbox =>
        simUrl ? ownTokens(microsoftApp(config, simUrl), `simulated:${addressOf(mailbox)}`) : undefined,
      renewal: microsoftRenewal(() => microsoftApp(config, simUrl)),
    }
  },

  consent: outlookConsent,

  open({ config, simUrl, mailbox, account, store }) {
    if (store) return openOutlook(config, simUrl, mailbox, { account, store })
    throw new MailError('unsupported', `${mailbox}: opening it needs Redis, which stores the cursors of its folders`)
  },

  listConfigured: async config => config.OUTLOOK_MAILBOXES,

  async revoke() {
    throw new MailError('unsupported', 'Microsoft does not let apps revoke grants')
  },
}
