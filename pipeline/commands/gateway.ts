import type { Command } from 'commander'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { untilAborted } from '../base/wait.ts'
import { startGateway } from '../gateway/gateway.ts'
import { checked, wholeNumber } from './arguments.ts'
import { staying } from './with-app.ts'

/** Adds the options and the action of `gateway`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .option('--port <port>', 'the port to listen on (PORT, else 8080)', checked(wholeNumber(0, 65_535)))
    .action(options => runGateway(contextOf({}), options.port))
}

const DEFAULT_PORT = 8080

/** Accepts pushes and intake entries until it is stopped. */
export async function runGateway(context: CommandContext, port: number | undefined): Promise<void> {
  const { config, signal } = context
  const log = createLog(config, 'gateway', context.terminal)
  await staying({ ...context, log }, async app => {
    const gateway = await startGateway(app, { port: port ?? config.PORT ?? DEFAULT_PORT, log })
    log.info({ port: gateway.port }, `gateway listening at ${gateway.label}`)
    await untilAborted(signal)
    await gateway.stop(config.DRAIN_MS)
  })
}
