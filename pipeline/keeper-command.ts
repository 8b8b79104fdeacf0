import { type CommandContext, staying } from './commands.ts'
import { type Keeper, startKeeper } from './keeper.ts'
import { createLog, type Log } from './log.ts'
import type { Office } from './wire.ts'

/** A keeper with the configured pace and retention. */
export function keeperOf(office: Office, log: Log & { child(fields: object): Log }): Keeper {
  const { KEEPER_INTERVAL, STREAM_RETENTION } = office.config
  return startKeeper(office, {
    log: log.child({ stage: 'keeper' }),
    intervalMs: KEEPER_INTERVAL * 1000,
    retentionMs: STREAM_RETENTION * 1000,
  })
}

/** Runs the keeper alone until it is told to stop; any number may run, one works. */
export async function runKeeper(context: CommandContext): Promise<void> {
  const log = createLog(context.config, 'keeper')
  await staying({ ...context, log }, async office => {
    const keeper = keeperOf(office, log)
    await new Promise<void>(resolve => {
      if (context.signal.aborted) resolve()
      context.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await keeper.stop()
  })
}
