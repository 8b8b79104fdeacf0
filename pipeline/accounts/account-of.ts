import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { AccessTokens } from '../../shared/provider/tokens.ts'
import { createLease } from '../../shared/redis/lease.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import { type Surroundings, surroundingsOf } from '../base/surroundings.ts'
import { warnOfInvalid } from './invalid-cache.ts'
import { LOADED } from './loaded-providers.ts'
import { issuerAt } from './oauth-app.ts'
import { type LoadedProviders, named } from './providers.ts'
import { sharedTokens } from './shared-tokens.ts'
import type { Store } from './store.ts'

/**
 * Returns access tokens by mailbox: of the account that the settings name for it, such as the app's own for OUTLOOK_MAILBOXES; else of
 * the account in the store; else of the one configured account, or of one that the simulator takes. Throws `unauthorized` without any,
 * and `misconfigured` at once where the app cannot read OUTLOOK_MAILBOXES.
 */
export function accountsOf(
  config: Config,
  simUrl: string | undefined,
  store?: Store,
  {
    providers = LOADED,
    surroundings = store?.surroundings ?? surroundingsOf(config),
  }: { providers?: LoadedProviders; surroundings?: Surroundings } = {},
): (mailbox: MailboxId) => AccessTokens {
  const accounts = new Map(
    [...providers].map(([id, { loaded }]) => [id, loaded.accounts(config, simUrl, surroundings)]),
  )
  const { machine, log } = surroundings
  const onInvalid = warnOfInvalid(log, { machine })

  return mailbox => {
    const { fixed, fallback, renewal } = named(accounts, providerOf(mailbox))
    const own = fixed(mailbox)
    if (own) return own
    const otherwise = fallback(mailbox)
    if (!store) return otherwise ?? noAccount(mailbox)
    const { redis, keys, now } = store
    const vault = createVault(redis, keys, createSeal(config.MAILBOXES_KEY), onInvalid, provider =>
      issuerAt(named(providers, provider).issuer, simUrl),
    )
    const lease = createLease(redis, keys.refreshing(mailbox), machine)
    const options = { vault, lease, renewal, otherwise, machine }
    return sharedTokens(mailbox, now ? { ...options, now } : options)
  }

  function noAccount(mailbox: MailboxId): never {
    const { accountSettings } = named(providers, providerOf(mailbox))
    throw new MailError(
      'unauthorized',
      `${mailbox} cannot be reached: set ${accountSettings}, or SIM_URL for a simulator`,
    )
  }
}
