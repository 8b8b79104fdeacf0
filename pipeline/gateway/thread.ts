// The thread of a gateway beside stages; `apart.ts` starts it.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { asMailError } from '../../shared/error.ts'
import { awaitApp, endless } from '../base/await-redis.ts'
import type { Log } from '../base/log.ts'
import type { ThreadStop, ThreadTask, ThreadWord } from './apart.ts'
import { startGateway } from './gateway.ts'

const { config: copied, url, port } = workerData as ThreadTask
// On its way here a Buffer has become a plain array of bytes.
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
const stopped = parentPort ? once(parentPort, 'message') : Promise.reject(new Error('this is a thread of `up`'))
void stopped.then(() => stopping.abort())

try {
  const app = await awaitApp(config, url, endless(stopping.signal, log))
  const gateway = await startGateway(app, { port, log })
  say({ said: 'listens', port: gateway.port ?? port })
  const [{ drainMs }] = (await stopped) as [ThreadStop]
  await gateway.stop(drainMs)
  app.close()
} catch (error) {
  const { kind, message } = asMailError(error)
  say({ said: 'failed', kind, message })
}
parentPort?.close()

function say(word: ThreadWord): void {
  parentPort?.postMessage(word)
}

function logger(level: keyof Log): Log['info'] {
  return (...words: unknown[]) => {
    const [facts, text] = typeof words[0] === 'string' ? [{}, words[0]] : [words[0] as object, String(words[1])]
    say({ said: 'log', level, facts, text })
  }
}
