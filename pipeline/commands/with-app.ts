import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { connectIfNew } from '../accounts/request-sync.ts'
import type { AppContext } from '../base/app.ts'
import { awaitApp, isStopped, waitBriefly, waitForever } from '../base/await-redis.ts'
import type { CommandContext } from '../base/command-context.ts'
import type { Log } from '../base/log.ts'
import { findRedis } from '../embedded-redis/find.ts'

/**
 * Opens the app for a long-running process. Waits for an unavailable Redis until it is usable or the process is stopped. With `reads`
 * a full Redis suffices.
 */
export async function staying(
  { config, signal, surroundings, log }: CommandContext & { log: Log },
  work: (app: AppContext) => Promise<void>,
  { reads = false }: { reads?: boolean } = {},
): Promise<void> {
  const url = await findRedis(config)
  const app = await awaitApp(config, url, { ...waitForever(signal, log), reads, surroundings }).catch(error => {
    if (!isStopped(error, signal)) throw error
    return undefined
  })
  if (app) await closing(app, work)
}

/** Opens the app for the duration of a command. Waits for an unavailable Redis, REDIS_WAIT seconds at most. */
export function withApp<T>(context: CommandContext, work: (app: AppContext) => Promise<T>): Promise<T> {
  return opened(context, work, { reads: false })
}

/** Opens the app like `withApp` for a command that only reads, so a full Redis suffices. */
export function withReadableApp<T>(context: CommandContext, work: (app: AppContext) => Promise<T>): Promise<T> {
  return opened(context, work, { reads: true })
}

async function opened<T>(
  context: CommandContext,
  work: (app: AppContext) => Promise<T>,
  { reads }: { reads: boolean },
): Promise<T> {
  const { config, surroundings } = context
  const url = await findRedis(config)
  return closing(await awaitApp(config, url, { ...waitBriefly(context), reads, surroundings }), work)
}

async function closing<T>(app: AppContext, work: (app: AppContext) => Promise<T>): Promise<T> {
  try {
    return await work(app)
  } finally {
    app.close()
  }
}

/** Returns the mailbox of a name, and connects it first if it is new; throws when that fails. */
export async function connected(app: AppContext, { config, signal }: CommandContext, name: string): Promise<MailboxId> {
  const mailbox = parseMailboxId(name)
  const open = async () => {
    // Adapters load slowly, and most mailboxes are known already.
    const [{ reachMailboxes }, { findSimulator }] = await Promise.all([
      import('../accounts/mail-source.ts'),
      import('../accounts/simulator.ts'),
    ])
    return reachMailboxes(config, await findSimulator(config))(app)
  }
  await connectIfNew(app, open, mailbox, signal)
  return mailbox
}
