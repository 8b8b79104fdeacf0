import { MailError } from '../../shared/error.ts'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { type AccessToken, type AccessTokens, isEnding, isYoung } from '../../shared/provider/tokens.ts'
import type { Lease } from '../../shared/redis/lease.ts'
import type { Grant, Vault } from '../../shared/redis/secrets.ts'
import { sleep } from '../base/wait.ts'
import type { Renewal } from './renewal.ts'

export interface SharedTokensOptions {
  vault: Vault
  /** The right to ask for the next access token. */
  lease: Lease
  renewal: Renewal
  /** Used where no account is kept for the mailbox. */
  otherwise?: AccessTokens | undefined
  now?: () => number
  /** How long whoever asks keeps the others from asking; longer than a request may take. */
  leaseMs?: number
}

const LEASE_MS = 15_000
const LOOK_AGAIN_MS = 50
// The provider had an error: the next to try, whoever it is, waits so long.
const AFTER_FAILURE_MS = 1000
const STILL_GOOD_MS = 10_000

/**
 * Access tokens of a mailbox whose account is kept in the vault: one process asks the provider, the others wait and take what it got, and one
 * that dies meanwhile holds them up no longer than its lease. A dead grant is asked for once, by one. Redis errors are passed on as they are.
 */
export function sharedTokens(mailbox: MailboxId, options: SharedTokensOptions): AccessTokens {
  const { vault, lease, renewal, otherwise, now = Date.now, leaseMs = LEASE_MS } = options
  let held: AccessToken | undefined
  let finding: Promise<AccessToken | undefined> | undefined

  return {
    async get(doing, signal) {
      if (held && !isEnding(held, now())) return held.token
      finding ??= find(doing).finally(() => {
        finding = undefined
      })
      held = await finding
      if (held) return held.token
      if (otherwise) return otherwise.get(doing, signal)
      throw new MailError(
        'unauthorized',
        `${mailbox} has no account: connect it with \`mailsluice connect ${providerOf(mailbox)} --address ${addressOf(mailbox)}\``,
      )
    },

    async refused(token) {
      if (held?.token !== token) return otherwise ? otherwise.refused(token) : true
      const old = held
      held = undefined
      const kept = await vault.read(mailbox)
      // It was connected again, or another process has a new one already.
      if (kept?.access?.token !== token) return kept !== undefined
      await vault.forget(mailbox, token)
      return !isYoung(old, now())
    },
  }

  // It ends: with a token, with an error, or, where the other that asks does not come to an end, once its lease is over.
  async function find(doing: string): Promise<AccessToken | undefined> {
    for (;;) {
      const grant = await vault.read(mailbox)
      if (!grant) return undefined
      const found = usable(grant)
      if (found) return found
      if (await lease.take(leaseMs)) {
        const got = await ask(doing)
        if (got) return got
      } else {
        // Another is at it: what is left of the old one will do.
        if (grant.access && now() < grant.access.endsAt - STILL_GOOD_MS) return grant.access
        await sleep(LOOK_AGAIN_MS)
      }
    }
  }

  // `undefined` where the account was changed meanwhile: it has to be looked at again.
  async function ask(doing: string): Promise<AccessToken | undefined> {
    let restMs = 0
    try {
      // It may have been got between the look and the lease.
      const grant = await vault.read(mailbox)
      const found = grant && usable(grant)
      return !grant || found ? found : await exchange(grant, doing)
    } catch (thrown) {
      restMs = AFTER_FAILURE_MS
      throw thrown
    } finally {
      await (restMs > 0 ? lease.take(restMs) : lease.giveBack())
    }
  }

  async function exchange(grant: Grant, doing: string): Promise<AccessToken | undefined> {
    try {
      const givenAt = now()
      const renewed = await renewal.renew(grant.secret, doing)
      // Others read it, whose machine's clock may be another: only how long it lasts is believed.
      const access = { ...renewed.access, givenAt, endsAt: givenAt + renewed.access.endsAt - renewed.access.givenAt }
      return (await vault.refreshed(mailbox, grant.id, { ...renewed, access })) ? access : undefined
    } catch (thrown) {
      if (!(thrown instanceof MailError) || !renewal.isDead(thrown)) throw thrown
      if (await vault.refuse(mailbox, grant.id, thrown.message)) throw thrown
      return undefined
    }
  }

  function usable({ access, refused }: Grant): AccessToken | undefined {
    if (refused !== undefined) throw new MailError('unauthorized', refused)
    return access && !isEnding(access, now()) ? access : undefined
  }
}
