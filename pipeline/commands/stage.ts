import type { Command } from 'commander'
import { STAGE_NAMES, type StageName } from '../../shared/stage.ts'
import { reachMailboxes } from '../accounts/mail-source.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'
import { untilAborted } from '../base/wait.ts'
import { openSending } from '../runtime/sending.ts'
import { startStages } from '../runtime/start-stages.ts'
import { checked, oneStage } from './arguments.ts'
import { staying } from './with-app.ts'

/** Adds the arguments and the action of `stage`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<name>', `one of ${STAGE_NAMES.join(', ')}`, checked(oneStage))
    .action(name => runOneStage(contextOf({}), name))
}

/** Runs one stage in this process until it is stopped. */
export async function runOneStage(context: CommandContext, name: StageName): Promise<void> {
  const { config, signal } = context
  const log = createLog(config, name, context.terminal)
  const mailboxesIn = reachMailboxes(config, await findSimulator(config))
  await staying({ ...context, log }, async app => {
    const sending = name === 'ai-dispatch' ? await openSending(app, log) : undefined
    const stages = startStages(
      STAGES.filter(stage => stage.name === name),
      app,
      { mailboxes: mailboxesIn(app), log, sending },
    )
    log.info({ pid: process.pid }, `${name} is running`)
    await untilAborted(signal)
    await stages.stop(config.DRAIN_MS)
    log.info(`${name} stopped`)
  })
}
