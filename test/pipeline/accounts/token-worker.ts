import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { googleRenewal, microsoftRenewal } from '../../../pipeline/accounts/renewal.ts'
import { sharedTokens } from '../../../pipeline/accounts/shared-tokens.ts'
import { asMailError } from '../../../shared/error.ts'
import type { OAuthApp } from '../../../shared/gmail/oauth.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { MicrosoftApp } from '../../../shared/outlook/login.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLease } from '../../../shared/redis/lease.ts'
import { createVault } from '../../../shared/redis/secrets.ts'
import { createSeal, parseSealingKeys } from '../../../shared/seal.ts'
import { until } from '../../support/until.ts'

/** The task of a worker: where Redis and the provider are, whose tokens it needs, and how long its lease is. */
export interface TokenTask {
  redisUrl: string
  app: OAuthApp | MicrosoftApp
  mailbox: MailboxId
  key: string
  leaseMs: number
}

/** The token a worker was given, or the kind of error it met, after so many ms. */
export interface Reported {
  token?: string
  kind?: string
  message?: string
  ms: number
}

/** A process that needs access tokens. */
export interface TokenWorker {
  /** Asks for a token, as the first call of a stage would. */
  ask(): Promise<Reported>
  kill(): Promise<void>
}

const here = fileURLToPath(import.meta.url)

/** Starts one that waits to be asked; the caller kills it. */
export async function startTokenWorker(task: TokenTask): Promise<TokenWorker> {
  const child: ChildProcess = fork(here, [JSON.stringify(task)])
  const exited = once(child, 'exit')
  const reported: Reported[] = []
  let ready = false
  child.on('message', message => {
    if (message === 'ready') ready = true
    else reported.push(message as Reported)
  })
  await until(() => ready, 'the worker is ready')
  return {
    async ask() {
      const before = reported.length
      child.send('ask')
      return until(() => reported[before], 'the worker was given a token or met an error')
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

if (process.argv[1] === here) await work(JSON.parse(process.argv[2] ?? '') as TokenTask)

async function work({ redisUrl, app, mailbox, key, leaseMs }: TokenTask): Promise<void> {
  const redis = await connectRedis(redisUrl)
  const keys = createKeys('test', 1)
  const vault = createVault(redis, keys, createSeal(parseSealingKeys(key) ?? []))
  const lease = createLease(redis, keys.refreshing(mailbox))
  const renewal = 'loginUrl' in app ? microsoftRenewal(() => app) : googleRenewal(() => app)
  const tokens = sharedTokens(mailbox, { vault, lease, renewal, leaseMs })
  process.on('message', () => {
    const began = Date.now()
    tokens.get('a test', new AbortController().signal).then(
      token => process.send?.({ token, ms: Date.now() - began }),
      error => {
        const { kind, message } = asMailError(error)
        process.send?.({ kind, message, ms: Date.now() - began })
      },
    )
  })
  process.send?.('ready')
}
