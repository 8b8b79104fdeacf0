import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { sleep } from '../base/wait.ts'
import { ensureDataDir, makePrivate } from './data-dir.ts'

const OLDEST_MAJOR = 7
const ANSWER_MS = 2000
const SILENT_MS = 30_000
const CHECK_EVERY_MS = 20
const TRIES = 3
const STOP_MS = 10_000

/** A Redis program on PATH. */
export interface RedisProgram {
  name: string
  version: string
  recent: boolean
}

/** Finds the first program on PATH with a supported version, and lists those that are too old. */
export async function findProgram(
  names: readonly string[],
): Promise<{ program: RedisProgram | undefined; tooOld: readonly RedisProgram[] }> {
  const tooOld: RedisProgram[] = []
  for (const name of names) {
    const program = await versionOf(name)
    if (program?.recent) return { program, tooOld }
    if (program) tooOld.push(program)
  }
  return { program: undefined, tooOld }
}

async function versionOf(name: string): Promise<RedisProgram | undefined> {
  try {
    const { stdout } = await promisify(execFile)(name, ['--version'])
    const version = /v=(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? '0'
    return { name, version, recent: Number.parseInt(version, 10) >= OLDEST_MAJOR }
  } catch {
    return undefined
  }
}

/** The URL of a server, with its password, and its process id. */
export interface ServerAddress {
  url: string
  pid: number
}

/** A server that this process started; `ended` resolves with the exit reason when it ends. */
export interface StartedServer extends ServerAddress {
  ended: Promise<string>
}

type OnSpawn = (address: ServerAddress) => Promise<void>

/**
 * Starts the program on a free loopback port with its append-only file in `<dataDir>/redis`; resolves once it answers. The server outlives
 * this process and ignores its Ctrl-C, so that in-flight work can still be handed back. `onSpawn` is awaited before the server opens
 * anything. With `at`, the URL of a server that ended, it reuses that address and password. Throws `misconfigured` with the last line of the
 * server's log.
 */
export async function startProgram(
  program: RedisProgram,
  dataDir: string,
  onSpawn: OnSpawn,
  at?: string,
): Promise<StartedServer> {
  await ensureDataDir(join(dataDir, 'redis'))
  // The folder may come from an older version or a backup.
  await makePrivate(join(dataDir, 'redis'))
  for (let tried = 1; ; tried += 1) {
    const server = await spawnProgram(program, dataDir, onSpawn, at)
    const failed = await endedOrReady(server)
    if (failed === undefined) return server
    const lastLine = await lastLogLine(join(dataDir, 'redis.log'))
    // Another process may have taken the free port since.
    if (/already in use/i.test(lastLine) && tried < TRIES) continue
    throw new MailError(
      'misconfigured',
      `${program.name} ${program.version} did not start (${failed}): ${lastLine}. Fix that, or set REDIS_URL to another Redis; the log is ${join(dataDir, 'redis.log')}`,
    )
  }
}

async function endedOrReady({ url, pid, ended }: StartedServer): Promise<string | undefined> {
  const waiting = new AbortController()
  try {
    return await Promise.race([ended, untilReady(url, waiting.signal)])
  } catch (error) {
    process.kill(pid, 'SIGKILL')
    throw error
  } finally {
    waiting.abort()
  }
}

async function spawnProgram(
  program: RedisProgram,
  dataDir: string,
  onSpawn: OnSpawn,
  at: string | undefined,
): Promise<StartedServer> {
  const url = at ?? `redis://:${randomBytes(24).toString('hex')}@127.0.0.1:${await freePort()}`
  const { port, password } = new URL(url)
  const log = await open(join(dataDir, 'redis.log'), 'a', 0o600)
  await log.chmod(0o600)
  const child = privately(() => spawn(program.name, ['-'], { detached: true, stdio: ['pipe', log.fd, log.fd] }))
  const ended = new Promise<string>(resolve => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', error => resolve(error.message))
  })
  child.unref()
  // `ended` reports a server that ends before it has read its settings.
  child.stdin?.on('error', () => undefined)
  await log.close()
  const pid = child.pid ?? 0
  if (pid) await onSpawn({ url, pid })
  // Settings go through stdin, so that no process list shows the password.
  child.stdin?.end(settings({ port, password, folder: join(resolve(dataDir), 'redis') }))
  return { url, pid, ended }
}

// Redis creates files with the umask it inherits. The work is synchronous, so nothing else sees this umask.
function privately<T>(work: () => T): T {
  const before = process.umask(0o077)
  try {
    return work()
  } finally {
    process.umask(before)
  }
}

function settings({ port, password, folder }: { port: string; password: string; folder: string }): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(folder)}`,
    'appendonly yes',
    'save ""',
    'maxmemory-policy noeviction',
    'daemonize no',
    '',
  ].join('\n')
}

async function lastLogLine(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return (lines.at(-1) ?? '').replace(/^\d+:\w .*? [#*.-] /, '')
}

/** Waits until the server has loaded its data and answers; throws `unavailable` after 30 seconds without an answer. */
export async function untilReady(url: string, signal?: AbortSignal, machine: Machine = MACHINE): Promise<undefined> {
  const { elapsed } = machine
  let answeredAt = elapsed()
  while (!signal?.aborted) {
    const state = await probe(url)
    if (state === 'ready') return
    if (state === 'busy') answeredAt = elapsed()
    if (elapsed() - answeredAt > SILENT_MS) {
      throw new MailError('unavailable', 'the embedded Redis does not answer; see redis.log in DATA_DIR')
    }
    await sleep(CHECK_EVERY_MS, signal, machine)
  }
}

/** Checks whether a Redis answers at this URL; `busy` when it runs, but is loading its data or does not respond. */
export async function probe(url: string): Promise<'ready' | 'busy' | 'absent'> {
  const client = openClient(url)
  const answered = new AbortController()
  try {
    const late = sleep(ANSWER_MS, answered.signal).then(() => 'busy' as const)
    return await Promise.race([late, client.ping().then(() => 'ready' as const)])
  } catch (error) {
    return /LOADING/.test(String(error)) ? 'busy' : 'absent'
  } finally {
    answered.abort()
    close(client)
  }
}

/** Shuts the server down with its data on disk; kills it when it has not ended within ten seconds. */
export async function shutDown(url: string, pid: number, machine: Machine = MACHINE): Promise<void> {
  const client = openClient(url)
  // The server ends the connection instead of answering.
  const asked = client.shutdown('NOSAVE').catch(() => undefined)
  const deadline = machine.elapsed() + STOP_MS
  while ((await probe(url)) !== 'absent') {
    if (machine.elapsed() > deadline) process.kill(pid, 'SIGKILL')
    await sleep(CHECK_EVERY_MS, undefined, machine)
  }
  close(client)
  await asked
}

function openClient(url: string): Redis {
  const client = new Redis(url, { enableReadyCheck: false, maxRetriesPerRequest: 0, retryStrategy: () => null })
  // Errors also reject the pending command.
  client.on('error', () => undefined)
  return client
}

function close(client: Redis): void {
  // Disconnecting a closed client would keep this process alive for two more seconds.
  if (client.status !== 'end') client.disconnect()
}

/** Finds a free port on 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
