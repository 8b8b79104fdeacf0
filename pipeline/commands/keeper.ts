import type { Command } from 'commander'
import { providersSet } from '../accounts/account-settings.ts'
import { reachMailboxes } from '../accounts/mail-source.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { AppContext } from '../base/app.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { untilAborted } from '../base/wait.ts'
import { keeperOf, notifyingProviders } from '../keeper/duties.ts'
import { staying } from './with-app.ts'

/** Adds the action of `keeper`. */
export function define(command: Command, contextOf: ContextOf): void {
  command.action(() => runKeeper(contextOf({})))
}

/** Runs the keeper alone until it is told to stop; any number may run, one works. */
export async function runKeeper(context: CommandContext): Promise<void> {
  const log = createLog(context.config, 'keeper')
  const { config } = context
  const simUrl = await findSimulator(config)
  const canAsk = simUrl !== undefined || providersSet(config).length > 0
  const mustAsk = notifyingProviders(config).length > 0 || config.WARM_SHARE > 0
  const mailboxesIn = canAsk || mustAsk ? reachMailboxes(config, simUrl) : undefined
  const keep = async (app: AppContext) => {
    const keeper = keeperOf(app, log, mailboxesIn?.(app))
    await untilAborted(context.signal)
    await keeper.stop()
  }
  // A full Redis is one that it has to trim.
  await staying({ ...context, log }, keep, { reads: true })
}
