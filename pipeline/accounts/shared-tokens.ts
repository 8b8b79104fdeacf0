import { MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { type AccessToken, type AccessTokens, isEnding, isYoung } from '../../shared/provider/tokens.ts'
import type { Lease } from '../../shared/redis/lease.ts'
import type { Grant, Vault } from '../../shared/redis/secrets.ts'
import { sleep } from '../base/wait.ts'
import type { Renewal } from './renewal.ts'

export interface SharedTokensOptions {
  vault: Vault
  /** The lease on renewing the access token. */
  lease: Lease
  renewal: Renewal
  /** Tokens for a mailbox without an account in the vault. */
  otherwise?: AccessTokens | undefined
  now?: () => number
  machine?: Machine
  /** How long the lease keeps others from renewing (ms); longer than a request may take. */
  leaseMs?: number
}

const LEASE_MS = 15_000
const LOOK_AGAIN_MS = 50
// After an error of the provider no process renews for this time.
const AFTER_FAILURE_MS = 1000
const STILL_GOOD_MS = 10_000

/**
 * Returns the access tokens of a mailbox whose account is in the vault. One process renews, the others wait and read the result; a process
 * that dies meanwhile delays them no longer than its lease. A dead grant is tried once, by one process. Redis errors are passed on as they are.
 */
export function sharedTokens(mailbox: MailboxId, options: SharedTokensOptions): AccessTokens {
  const { vault, lease, renewal, otherwise, machine = MACHINE, leaseMs = LEASE_MS } = options
  const { now = machine.date } = options
  let cached: AccessToken | undefined
  let finding: Promise<AccessToken | undefined> | undefined

  return {
    async get(doing, signal) {
      if (cached && !isEnding(cached, now())) return cached.token
      finding ??= find(doing).finally(() => {
        finding = undefined
      })
      cached = await finding
      if (cached) return cached.token
      if (otherwise) return otherwise.get(doing, signal)
      throw new MailError(
        'unauthorized',
        `${mailbox} has no account: connect it with \`mailsluice connect ${providerOf(mailbox)} --address ${addressOf(mailbox)}\``,
      )
    },

    async refused(token) {
      if (cached?.token !== token) return otherwise ? otherwise.refused(token) : true
      const old = cached
      cached = undefined
      const kept = await vault.read(mailbox)
      // The mailbox was connected again, or another process has renewed already.
      if (kept?.access?.token !== token) return kept !== undefined
      await vault.forget(mailbox, token)
      return !isYoung(old, now())
    },
  }

  // The loop ends with a token or an error, or, where another process never finishes, once that one's lease is over.
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
        // Another process is renewing: the rest of the old token will do.
        if (grant.access && now() < grant.access.endsAt - STILL_GOOD_MS) return grant.access
        await sleep(LOOK_AGAIN_MS, undefined, machine)
      }
    }
  }

  // `undefined` where the account was changed meanwhile and has to be read again.
  async function ask(doing: string): Promise<AccessToken | undefined> {
    let restMs = 0
    try {
      // Another process may have renewed between our read and our lease.
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
      // Processes that read it may have another clock, so only the token's lifetime counts.
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
