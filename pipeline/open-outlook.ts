import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import type { Mailbox, MailboxId } from '../shared/mailbox.ts'
import type { AccessTokens } from '../shared/tokens.ts'

/** One mailbox at Microsoft or at a simulator, with access tokens of this source. */
export function openOutlook(
  _config: Config,
  _simUrl: string | undefined,
  mailbox: MailboxId,
  _account: AccessTokens,
): Mailbox {
  throw new MailError('unsupported', `${mailbox}: Outlook mailboxes are not supported yet; only gmail: ones are`)
}
