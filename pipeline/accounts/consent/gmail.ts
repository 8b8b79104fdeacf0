import type { Config } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import { askConsent, exchangeCode, GMAIL_SCOPE } from '../../../shared/gmail/oauth.ts'
import type { Surroundings } from '../../base/surroundings.ts'
import { GOOGLE_ISSUER, googleApp, issuerAt } from '../oauth-app.ts'
import { openGmail } from '../providers/open-gmail.ts'
import type { Consenting } from './consenting.ts'

// developers.google.com/identity/protocols/oauth2/web-server#authorization-errors
const REFUSALS = new Map([
  [
    'admin_policy_enforced',
    'the administrator of the domain has to allow the app: admin.google.com, Security, API controls',
  ],
  [
    'org_internal',
    'the app is for its own organization alone: choose an account of it, or make its audience "External"',
  ],
  ['disallowed_useragent', 'open the page in a browser, not in another app'],
])

/** Asks for consent at Google, or at a simulator; throws `misconfigured` where no OAuth client is set. */
export function gmailConsent(config: Config, simUrl: string | undefined, surroundings: Surroundings): Consenting {
  const app = googleApp(config, simUrl, surroundings.http)
  return {
    provider: 'gmail',
    issuer: issuerAt(GOOGLE_ISSUER, simUrl),
    host: '127.0.0.1',
    ask: options => askConsent(app, options),
    remedyOf: error => REFUSALS.get(error),
    isSame: (one, other) => plain(one) === plain(other),
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
    open: (mailbox, account) => openGmail(config, simUrl, mailbox, { account, surroundings }),
  }
}

// support.google.com/mail/answer/7436150: dots do not matter, nor does what follows a plus; googlemail.com is gmail.com.
function plain(address: string): string {
  const [name = '', domain = ''] = address.toLowerCase().split('@')
  if (domain !== 'gmail.com' && domain !== 'googlemail.com') return address.toLowerCase()
  return `${name.split('+')[0]?.replaceAll('.', '')}@gmail.com`
}
