import { type CommandContext, staying } from '../commands.ts'
import { createLog } from '../log.ts'
import { startGateway } from './gateway.ts'

const DEFAULT_PORT = 8080

/** Takes pushes and the intake in until it is told to stop. */
export async function runGateway(context: CommandContext, port: number | undefined): Promise<void> {
  const { config, signal } = context
  const log = createLog(config, 'gateway')
  await staying({ ...context, log }, async office => {
    const gateway = await startGateway(office, { port: port ?? config.PORT ?? DEFAULT_PORT, log })
    log.info({ port: gateway.port }, `the gateway listens at ${gateway.label}`)
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await gateway.stop(config.DRAIN_MS)
  })
}
