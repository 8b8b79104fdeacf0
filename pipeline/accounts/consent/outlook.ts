import type { Config } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import { consentRemedy } from '../../../shared/outlook/login-errors.ts'
import { askConsent, canReadMail, exchangeCode, lasts } from '../../../shared/outlook/oauth.ts'
import type { Surroundings } from '../../base/surroundings.ts'
import { issuerAt, MICROSOFT_ISSUER, microsoftApp } from '../oauth-app.ts'
import { openOutlook } from '../providers/open-outlook.ts'
import type { Consenting } from './consenting.ts'

/** Asks for consent at Microsoft, or at a simulator; throws `misconfigured` where no app is set. */
export function outlookConsent(config: Config, simUrl: string | undefined, surroundings: Surroundings): Consenting {
  const app = microsoftApp(config, simUrl, surroundings.http)
  return {
    provider: 'outlook',
    issuer: issuerAt(MICROSOFT_ISSUER, simUrl),
    // Microsoft accepts any port of localhost, and of 127.0.0.1 only a registered one (learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions).
    host: 'localhost',
    ask: options => askConsent(app, options),
    remedyOf: (_, description) => consentRemedy(description),
    async exchange(answer, signal) {
      const granted = await exchangeCode(app, answer, signal)
      if (!canReadMail(granted)) {
        throw new MailError(
          'unauthorized',
          'the mailbox was not connected: reading mail was not allowed; give the app the delegated permission Mail.Read and run the command again',
        )
      }
      if (!lasts(granted)) {
        throw new MailError(
          'unauthorized',
          'the mailbox was not connected: Microsoft gave no refresh token; take access back at https://myapps.microsoft.com and run the command again',
        )
      }
      return { secret: granted.cache, access: granted.access }
    },
    open: (mailbox, account, store) => openOutlook(config, simUrl, mailbox, { account, store, surroundings }),
  }
}
