import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { askConsent, exchangeCode, GMAIL_SCOPE } from '../../shared/gmail/oauth.ts'
import { googleApp } from '../oauth-app.ts'
import { openGmail } from '../providers.ts'
import type { Consenting } from './consenting.ts'

/** Consent at Google, or at a simulator; throws `misconfigured` where no OAuth client is set. */
export function gmailConsent(config: Config, simUrl: string | undefined): Consenting {
  const app = googleApp(config, simUrl)
  return {
    provider: 'gmail',
    host: '127.0.0.1',
    ask: options => askConsent(app, options),
    async exchange(answer) {
      const { refreshToken, access, scopes } = await exchangeCode(app, answer)
      if (!scopes.includes(GMAIL_SCOPE)) {
        throw new MailError(
          'unauthorized',
          'the mailbox was not connected: reading mail was not allowed; run the command again and tick that box',
        )
      }
      if (refreshToken === undefined) {
        throw new MailError(
          'unauthorized',
          'the mailbox was not connected: Google gave no refresh token; take access back at https://myaccount.google.com/permissions and run the command again',
        )
      }
      return { secret: refreshToken, access }
    },
    open: (mailbox, account) => openGmail(config, simUrl, mailbox, account),
  }
}
