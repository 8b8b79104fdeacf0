import type { Command } from 'commander'
import { reachMailboxes } from '../accounts/mail-source.ts'
import { configuredProviders } from '../accounts/providers.ts'
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

/** Runs only the keeper until it is stopped. Any number may run; one is active. */
export async function runKeeper(context: CommandContext): Promise<void> {
  const log = createLog(context.config, 'keeper', context.terminal)
  const { config } = context
  const simUrl = await findSimulator(config)
  const canReach = simUrl !== undefined || configuredProviders(config).length > 0
  const needsProvider = notifyingProviders(config).length > 0 || config.WARM_SHARE > 0
  const mailboxesIn = canReach || needsProvider ? reachMailboxes(config, simUrl) : undefined
  const work = async (app: AppContext) => {
    const keeper = keeperOf(app, log, mailboxesIn?.(app))
    await untilAborted(context.signal)
    await keeper.stop()
  }
  // The keeper has to work on a full Redis: trimming frees its memory.
  await staying({ ...context, log }, work, { reads: true })
}
