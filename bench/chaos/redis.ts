import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram, freePort, untilReady } from '../../pipeline/embedded-redis/program.ts'
import { inheritedEnvironment } from '../../shared/config.ts'
import type { Child, Children } from './children.ts'

/** A real Redis on loopback. */
export interface ChaosRedis {
  url: string
  /** Kills the server at once and restarts it on the same port and folder; resolves once it answers. */
  kill(restartAfterMs: number, pause: (ms: number) => Promise<void>): Promise<void>
}

/**
 * Starts a server that stores its data in a folder. With `always` every write is on disk before it is acknowledged. Throws when no
 * redis-server or valkey-server is installed.
 */
export async function startRedis(
  folder: string,
  children: Pick<Children, 'start'>,
  { signal, appendfsync }: { signal: AbortSignal; appendfsync: 'always' | 'everysec' },
): Promise<ChaosRedis> {
  const { program } = await findProgram(['redis-server', 'valkey-server'])
  if (!program) throw new Error('no redis-server or valkey-server on PATH: install one')
  const data = join(folder, 'redis')
  await mkdir(data)
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const settings = {
    port: `${port}`,
    bind: '127.0.0.1',
    dir: data,
    save: '',
    appendonly: 'yes',
    appendfsync,
    'maxmemory-policy': 'noeviction',
  }
  const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const start = async (): Promise<Child> => {
    const child = await children.start('redis', [program.name, ...words], inheritedEnvironment({}))
    await untilReady(url, signal)
    return child
  }
  let server = await start()
  return {
    url,
    async kill(restartAfterMs, pause) {
      server.send('SIGKILL')
      await server.ended
      await pause(restartAfterMs)
      server = await start()
    },
  }
}
