import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'

/** A JavaScript Redis inside this process: enough for a demo, slow with long streams, and lost when the process ends. */
export interface JsRedis {
  url: string
  /** The library's name and version. */
  label: string
  close(): Promise<void>
}

/** Starts a JavaScript Redis on loopback with a password. */
export async function startJsRedis(): Promise<JsRedis> {
  // Loaded on demand, because it is unused where a real server runs.
  const { createRedisCommandExecutor, RedisServerState, Resp2Server } = await import('js-redis-server/core')
  const password = randomBytes(24).toString('hex')
  const state = new RedisServerState({ requirepass: password })
  const { server } = new Resp2Server({ server: state, executor: createRedisCommandExecutor() })
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  // The library's own `listen` accepts only a port, and would listen on every interface.
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    label: `js-redis-server ${versionOf('js-redis-server')}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
      state.close()
    },
  }
}

function versionOf(library: string): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.resolve(library)), 'utf8'))
  return String(version)
}
