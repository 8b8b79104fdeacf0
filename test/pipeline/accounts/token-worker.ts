import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import { googleRenewal, microsoftRenewal } from '../../../pipeline/accounts/renewal.ts'
import { sharedTokens } from '../../../pipeline/accounts/shared-tokens.ts'
import { asMailError } from '../../../shared/error.ts'
import type { OAuthApp } from '../../../shared/gmail/oauth.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { MicrosoftApp } from '../../../shared/outlook/login.ts'
import type { AccessTokens } from '../../../shared/provider/tokens.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLease } from '../../../shared/redis/lease.ts'
import { createVault } from '../../../shared/redis/secrets.ts'
import { createSeal, parseSealingKeys } from '../../../shared/seal.ts'
import { http } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

/** The task of a worker: where Redis and the provider are, whose tokens it needs, and how long its lease is. */
export interface TokenTask {
  redisUrl: string
  app: Omit<OAuthApp, 'http'> | Omit<MicrosoftApp, 'http'>
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

interface Pooled {
  child: ChildProcess
  exited: Promise<unknown>
  reported: (Reported | 'ready')[]
}

const here = fileURLToPath(import.meta.url)

/**
 * Returns the workers of a test file; `startWorker` resolves once one can be asked. Each is a process of its own that has cached nothing.
 * A process that outlives its test serves the next, because a start takes most of the time. None outlives the file.
 */
export function tokenWorkers(file: Test): (t: Test, task: TokenTask) => Promise<TokenWorker> {
  const all = new Set<Pooled>()
  const free: Pooled[] = []
  file.teardown(() => Promise.all([...all].map(kill)))

  return async (t, task) => {
    const worker = free.pop() ?? fresh()
    const { child, reported } = worker
    reported.length = 0
    child.send(task)
    await until(() => reported[0] === 'ready', 'the worker is ready')
    let answers = 0
    let asked = 0
    t.teardown(() => (answers === asked && all.has(worker) ? free.push(worker) : kill(worker)))
    return {
      async ask() {
        asked += 1
        const place = asked
        child.send('ask')
        const said = await until(
          () => reported[place] ?? (all.has(worker) ? undefined : 'killed'),
          'the worker was given a token or met an error',
        )
        // Waiting on for the dead would keep the test file from ending.
        if (typeof said === 'string') throw new Error(`the worker was ${said}`)
        answers += 1
        return said
      },
      kill: () => kill(worker),
    }
  }

  function fresh(): Pooled {
    const child = fork(here, ['work'])
    const worker: Pooled = { child, exited: once(child, 'exit'), reported: [] }
    child.on('message', message => worker.reported.push(message as Reported | 'ready'))
    all.add(worker)
    return worker
  }

  async function kill(worker: Pooled): Promise<void> {
    all.delete(worker)
    worker.child.kill('SIGKILL')
    await worker.exited
  }
}

if (process.argv[1] === here && process.argv[2] === 'work') work()

function work(): void {
  let tokens: Promise<AccessTokens> | undefined
  process.on('disconnect', () => process.exit())
  process.on('message', async (message: TokenTask | 'ask') => {
    if (message !== 'ask') {
      tokens = tokensOf(message)
      await tokens
      return process.send?.('ready')
    }
    const began = Date.now()
    try {
      const token = await (await tokens)?.get('a test', new AbortController().signal)
      return process.send?.({ token, ms: Date.now() - began })
    } catch (error) {
      const { kind, message } = asMailError(error)
      return process.send?.({ kind, message, ms: Date.now() - began })
    }
  })
}

let redis: Promise<Redis> | undefined

async function tokensOf({ redisUrl, app, mailbox, key, leaseMs }: TokenTask): Promise<AccessTokens> {
  redis ??= connectRedis(redisUrl)
  const keys = createKeys('test', 1)
  const vault = createVault(await redis, keys, createSeal(parseSealingKeys(key) ?? []))
  const lease = createLease(await redis, keys.refreshing(mailbox))
  const renewal =
    'loginUrl' in app ? microsoftRenewal(() => ({ ...app, http })) : googleRenewal(() => ({ ...app, http }))
  return sharedTokens(mailbox, { vault, lease, renewal, leaseMs })
}
