import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Config } from '../../shared/config.ts'
import { type ErrorKind, MailError } from '../../shared/error.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/wait.ts'
import { type Gateway, labelOf, startGateway } from './gateway.ts'

/** The worker data of the gateway thread. */
export interface ThreadTask {
  config: Config
  url: string
  port: number
}

/** A message from the thread: the port it listens on, its failure, or a log line. */
export type ThreadMessage =
  | { type: 'listening'; port: number }
  | { type: 'failed'; kind: ErrorKind; message: string }
  | { type: 'log'; level: keyof Log; facts: object; text: string }

/** The command to stop, with the time to finish in-flight requests (ms). */
export interface ThreadStop {
  drainMs: number
}

const THREAD = new URL('./thread.js', import.meta.url)
const GRACE_MS = 1000

/**
 * Starts a gateway in the process of the stages. A listening gateway gets its own thread and event loop, so that hostile requests never
 * delay the stages; without a port it runs in this thread. Throws as `startGateway` does.
 */
export async function startGatewayApart(
  app: AppContext,
  options: { port: number | undefined; log: Log; settingsAt: (port: number) => Partial<Config>; signal: AbortSignal },
): Promise<Gateway> {
  const { port, log, settingsAt, signal } = options
  if (port === undefined) return startGateway(app, { port, log })
  const workerData: ThreadTask = { config: app.config, url: app.url, port }
  const worker = new Worker(THREAD, { workerData })
  const ended = once(worker, 'exit')
  const stop = (drainMs: number) => worker.postMessage({ drainMs } satisfies ThreadStop)
  const stopNow = () => stop(0)
  signal.addEventListener('abort', stopNow)
  const bound = await listening(worker, log)
    .catch(async error => {
      await worker.terminate()
      throw error
    })
    .finally(() => signal.removeEventListener('abort', stopNow))
  const config = { ...app.config, ...settingsAt(bound) }
  // An unexpected error ends the process, as it would in this thread.
  worker.on('error', error => {
    throw error
  })
  return {
    port: bound,
    config,
    label: labelOf(config, bound),
    async stop(drainMs) {
      stop(drainMs)
      await within(ended, drainMs + GRACE_MS, app.surroundings.machine)
      await worker.terminate()
    },
  }
}

async function listening(worker: Worker, log: Log): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', () => reject(new MailError('unavailable', 'the gateway ended before it listened on its port')))
    worker.on('message', (message: ThreadMessage) => {
      if (message.type === 'log') log[message.level](message.facts, message.text)
      else if (message.type === 'failed') reject(new MailError(message.kind, message.message))
      else {
        worker.off('error', reject)
        resolve(message.port)
      }
    })
  })
}
