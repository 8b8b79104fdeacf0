import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { embeddedRedis } from '../../pipeline/embedded-redis/server.ts'

/** A separate process that uses the embedded Redis of a folder. */
export interface RedisHolder {
  url: string
  /** Sends the signal and waits for the end; resolves with the exit code, if any. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const here = fileURLToPath(import.meta.url)

/** Starts such a process; resolves once it has its Redis. SIGTERM stops it cleanly, SIGUSR2 makes it exit at once. */
export async function holdRedis(dataDir: string): Promise<RedisHolder> {
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, here, dataDir], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const [url] = await Promise.race([once(child, 'message'), exited])
  if (typeof url !== 'string') throw new Error(`the holder of ${dataDir} ended early`)
  return {
    url,
    async end(signal) {
      child.kill(signal)
      const [code] = await exited
      return code
    },
  }
}

if (process.argv[1] === here) {
  const log = { warn: () => undefined, error: () => undefined }
  const redis = await embeddedRedis({ dataDir: process.argv[2] ?? '', log })
  // The open channel to the test keeps this process up.
  process.on('message', () => undefined)
  process.once('SIGTERM', () => redis.stop().then(() => process.disconnect()))
  process.once('SIGUSR2', () => process.exit(3))
  process.send?.(redis.url)
}
