// The gateway thread of a process that runs stages too; `apart.ts` starts it.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { asMailError } from '../../shared/error.ts'
import { awaitApp, waitForever } from '../base/await-redis.ts'
import type { Log } from '../base/log.ts'
import { surroundingsOf } from '../base/surroundings.ts'
import type { ThreadMessage, ThreadStop, ThreadTask } from './apart.ts'
import { startGateway } from './gateway.ts'

const { config: copied, url, port } = workerData as ThreadTask
// A Buffer arrives as a plain Uint8Array.
const config = {
  ...copied,
  MAILBOXES_KEY: copied.MAILBOXES_KEY.map(({ key, ...more }) => ({ ...more, key: Buffer.from(key) })),
}
const isVerbose = config.LOG_LEVEL === 'debug' || config.LOG_LEVEL === 'trace'
const log: Log = {
  debug: isVerbose ? logger('debug') : () => undefined,
  info: logger('info'),
  warn: logger('warn'),
  error: logger('error'),
}
const stopping = new AbortController()
const stopped = parentPort
  ? once(parentPort, 'message')
  : Promise.reject(new Error('this file runs only as a thread of `up`'))
void stopped.then(() => stopping.abort())

try {
  // Functions cannot pass to a thread, so it has surroundings of its own.
  const surroundings = surroundingsOf(config, { log })
  const app = await awaitApp(config, url, { ...waitForever(stopping.signal, log), surroundings })
  const gateway = await startGateway(app, { port, log })
  send({ type: 'listening', port: gateway.port ?? port })
  const [{ drainMs }] = (await stopped) as [ThreadStop]
  await gateway.stop(drainMs)
  app.close()
} catch (error) {
  const { kind, message } = asMailError(error)
  send({ type: 'failed', kind, message })
}
parentPort?.close()

function send(message: ThreadMessage): void {
  parentPort?.postMessage(message)
}

function logger(level: keyof Log): Log['info'] {
  return (...words: unknown[]) => {
    const [facts, text] = typeof words[0] === 'string' ? [{}, words[0]] : [words[0] as object, String(words[1])]
    send({ type: 'log', level, facts, text })
  }
}
