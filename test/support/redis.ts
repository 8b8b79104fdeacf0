import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { connectRedis } from '../../shared/redis/connect.ts'
import { until } from './until.ts'

/** A real redis-server for one test, on a loopback port. */
export interface TestRedis {
  url: string
  port: number
  /** A client for the test; closed with the server. */
  client: Redis
  kill(signal: NodeJS.Signals): Promise<void>
  /** Kills and restarts it on the same port, with its files or without them. */
  restart(options?: { empty?: boolean }): Promise<void>
  stop(): Promise<void>
}

/** Starts a redis-server with its own empty data folder; `options` are further arguments. */
export async function startRedis(...options: string[]): Promise<TestRedis> {
  const port = await freePort()
  const dir = await mkdtemp(join(tmpdir(), 'mailsluice-redis-'))
  const words = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', ...options]
  const launch = () => {
    const child: ChildProcess = spawn('redis-server', words, { stdio: 'ignore' })
    return { child, exited: once(child, 'exit') }
  }
  let server = launch()
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, maxRetriesPerRequest: null })
  client.on('error', () => undefined)
  await until(() => client.ping(), 'redis-server answers')
  const kill = async (signal: NodeJS.Signals) => {
    const { child, exited } = server
    child.kill(signal)
    await exited
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    client,
    kill,
    async restart({ empty = false } = {}) {
      await kill('SIGKILL')
      if (empty) for (const file of await readdir(dir)) await rm(join(dir, file), { recursive: true })
      server = launch()
      await until(() => client.ping(), 'redis-server answers again')
    },
    async stop() {
      client.disconnect()
      await kill('SIGKILL')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** A server for a whole test file, emptied before each test and stopped at the end, and a connection to it as mailsluice makes it. */
export async function redisFor(t: Test, ...options: string[]): Promise<{ server: TestRedis; redis: Redis }> {
  const server = await startRedis(...options)
  const redis = await connectRedis(server.url)
  t.teardown(async () => {
    redis.disconnect()
    await server.stop()
  })
  t.beforeEach(() => server.client.flushall())
  return { server, redis }
}

/** Finds a free port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
