import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Config } from '../../shared/config.ts'
import { type ErrorKind, MailError } from '../../shared/error.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/wait.ts'
import { type Gateway, labelOf, startGateway } from './gateway.ts'

/** What the thread is given. */
export interface ThreadTask {
  config: Config
  url: string
  port: number
}

/** What the thread says: where it listens, why it does not, and what is to be logged. */
export type ThreadWord =
  | { said: 'listens'; port: number }
  | { said: 'failed'; kind: ErrorKind; message: string }
  | { said: 'log'; level: keyof Log; facts: object; text: string }

/** What the thread is told: to stop, and how long it may take to finish what is under way. */
export interface ThreadStop {
  drainMs: number
}

const THREAD = new URL('./thread.js', import.meta.url)
const GRACE_MS = 1000

/**
 * Starts a gateway beside stages. One that listens has a thread and an event loop of its own, so that whatever strangers send to it never
 * keeps the stages waiting; without a port there are no strangers. Throws as `startGateway` does.
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
  // As it would in this thread, what nobody expected ends the process.
  worker.on('error', error => {
    throw error
  })
  return {
    port: bound,
    config,
    label: labelOf(config, bound),
    async stop(drainMs) {
      stop(drainMs)
      await within(ended, drainMs + GRACE_MS)
      await worker.terminate()
    },
  }
}

async function listening(worker: Worker, log: Log): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', () => reject(new MailError('unavailable', 'the gateway has ended before it listened')))
    worker.on('message', (word: ThreadWord) => {
      if (word.said === 'log') log[word.level](word.facts, word.text)
      else if (word.said === 'failed') reject(new MailError(word.kind, word.message))
      else {
        worker.off('error', reject)
        resolve(word.port)
      }
    })
  })
}
