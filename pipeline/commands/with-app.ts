import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { connectIfNew } from '../accounts/request-sync.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { AppContext } from '../base/app.ts'
import { awaitApp, brief, endless, isStopped } from '../base/await-redis.ts'
import type { CommandContext } from '../base/command-context.ts'
import type { Log } from '../base/log.ts'
import { findRedis } from '../embedded-redis/source.ts'

/**
 * As `withApp`, for a process that stays: it waits for a Redis that cannot be used until it can, or until it is told to stop. With
 * `reads` a Redis that is full will do.
 */
export async function staying(
  { config, signal, log }: CommandContext & { log: Log },
  work: (app: AppContext) => Promise<void>,
  { reads = false }: { reads?: boolean } = {},
): Promise<void> {
  const url = await findRedis(config)
  const app = await awaitApp(config, url, { ...endless(signal, log), reads }).catch(error => {
    if (!isStopped(error, signal)) throw error
    return undefined
  })
  if (app) await closing(app, work)
}

/** Opens what a command needs for as long as it works. A Redis that cannot be used is waited for, REDIS_WAIT seconds at most. */
export function withApp<T>(context: CommandContext, work: (app: AppContext) => Promise<T>): Promise<T> {
  return opened(context, work, { reads: false })
}

/** As `withApp`, for a command that only reads: it works on a Redis that is full, too. */
export function withReadableApp<T>(context: CommandContext, work: (app: AppContext) => Promise<T>): Promise<T> {
  return opened(context, work, { reads: true })
}

async function opened<T>(
  { config, signal }: CommandContext,
  work: (app: AppContext) => Promise<T>,
  { reads }: { reads: boolean },
): Promise<T> {
  const url = await findRedis(config)
  return closing(await awaitApp(config, url, { ...brief(config, signal), reads }), work)
}

async function closing<T>(app: AppContext, work: (app: AppContext) => Promise<T>): Promise<T> {
  try {
    return await work(app)
  } finally {
    app.close()
  }
}

/** The mailbox of a name, made known where it is not yet; throws where that cannot be. */
export async function connected(app: AppContext, { config, signal }: CommandContext, name: string): Promise<MailboxId> {
  const mailbox = parseMailboxId(name)
  const open = async () => {
    // Adapters take long to load, and most mailboxes are known.
    const { reachMailboxes } = await import('../accounts/mail-source.ts')
    return reachMailboxes(config, await findSimulator(config))(app)
  }
  await connectIfNew(app, open, mailbox, signal)
  return mailbox
}
