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
  /** It is a node of a cluster. */
  isCluster: boolean
  /** A client for the test; closed with the server. */
  client: Redis
  /** Connects as mailsluice does, to a node of a cluster too. */
  connect: typeof connectRedis
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
    isCluster: false,
    client,
    connect: connectRedis,
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

/**
 * Starts a cluster of one node that owns every slot. It differs from a plain server only in what it refuses: a command or a script with
 * keys of different slots, and databases other than 0. So what passes here passes on a plain server.
 */
export async function startCluster(...options: string[]): Promise<TestRedis> {
  const node = await startRedis('--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`, ...options)
  await node.client.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383)
  await until(async () => /cluster_state:ok/.test(String(await node.client.call('CLUSTER', 'INFO'))), 'all slots serve')
  // `checkServer` refuses nodes of clusters.
  const connect: typeof connectRedis = (url, how) => connectRedis(url, { ...how, check: async () => [] })
  return { ...node, isCluster: true, connect }
}

/** A cluster of one node for a whole test file, as `redisFor` gives a server. */
export async function clusterFor(t: Test, ...options: string[]): Promise<{ server: TestRedis; redis: Redis }> {
  return giveTo(t, await startCluster(...options))
}

/** A server for a whole test file, emptied before each test and stopped at the end, and a connection to it as mailsluice makes it. */
export async function redisFor(t: Test, ...options: string[]): Promise<{ server: TestRedis; redis: Redis }> {
  return giveTo(t, await startRedis(...options))
}

async function giveTo(t: Test, server: TestRedis): Promise<{ server: TestRedis; redis: Redis }> {
  const redis = await server.connect(server.url)
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
