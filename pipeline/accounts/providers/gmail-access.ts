import { revokeGrant } from '../../../shared/gmail/oauth.ts'
import { ownTokens } from '../../../shared/gmail/tokens.ts'
import { addressOf, parseMailboxId } from '../../../shared/mailbox.ts'
import { hasGmailAccount } from '../account-settings.ts'
import { gmailConsent } from '../consent/gmail.ts'
import { googleApp } from '../oauth-app.ts'
import { googleRenewal } from '../renewal.ts'
import type { ProviderAccess } from './descriptor.ts'
import { openGmail } from './open-gmail.ts'

/** Gmail's accounts and mailboxes. */
export const gmailAccess: ProviderAccess = {
  accounts: (config, simUrl, { http, machine }) => ({
    fixed: () => undefined,
    fallback(mailbox) {
      if (simUrl) return ownTokens(googleApp(config, simUrl, http), `simulated:${addressOf(mailbox)}`, machine.date)
      const { GMAIL_REFRESH_TOKEN: refreshToken } = config
      if (!refreshToken || !hasGmailAccount(config)) return undefined
      return ownTokens(googleApp(config, simUrl, http), refreshToken, machine.date)
    },
    renewal: googleRenewal(() => googleApp(config, simUrl, http)),
  }),

  consent: gmailConsent,

  open: ({ config, simUrl, mailbox, account, store, surroundings }) =>
    openGmail(config, simUrl, mailbox, { account, surroundings, now: store?.now }),

  async listConfigured(config, mailboxes, signal) {
    if (!hasGmailAccount(config)) return []
    // A refresh token does not say whose it is; Google does.
    const { address } = await mailboxes('gmail:me@gmail.com').open({ signal, meter: () => undefined })
    return [parseMailboxId(`gmail:${address}`)]
  },

  revoke: (config, simUrl, { secret, surroundings: { http } }) => revokeGrant(googleApp(config, simUrl, http), secret),
}
