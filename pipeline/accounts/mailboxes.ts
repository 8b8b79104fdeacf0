import type { Config } from '../../shared/config.ts'
import { type Mailbox, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { surroundingsOf } from '../base/surroundings.ts'
import { accountsOf } from './account-of.ts'
import { LOADED } from './loaded-providers.ts'
import { type LoadedProviders, named } from './providers.ts'
import type { Store } from './store.ts'

/** Returns the mailbox behind an id, the same object each time; throws `unsupported` when there is no way to reach it. */
export type Mailboxes = (mailbox: MailboxId) => Mailbox

/**
 * Opens mailboxes at their providers, or at the simulator that `simUrl` names, with their accounts. Calls of a mailbox without an account
 * throw `unauthorized`. Outlook's mailboxes need the store.
 */
export function openMailboxes(
  config: Config,
  simUrl: string | undefined,
  store?: Store,
  providers: LoadedProviders = LOADED,
): Mailboxes {
  const open = new Map<MailboxId, Mailbox>()
  const surroundings = store?.surroundings ?? surroundingsOf(config)
  const accountOf = accountsOf(config, simUrl, store, { providers, surroundings })
  return mailbox => {
    const known = open.get(mailbox) ?? openOne(mailbox)
    open.set(mailbox, known)
    return known
  }

  function openOne(mailbox: MailboxId): Mailbox {
    const { loaded } = named(providers, providerOf(mailbox))
    return loaded.open({ config, simUrl, mailbox, account: accountOf(mailbox), store, surroundings })
  }
}
