import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { MailError } from '../../shared/error.ts'
import { sleep } from '../base/wait.ts'
import { ensureDataDir, makePrivate } from './data-dir.ts'

const OLDEST_MAJOR = 7
const ANSWER_MS = 2000
const SILENT_MS = 30_000
const LOOK_AGAIN_MS = 20
const TRIES = 3
const STOP_MS = 10_000

/** A Redis program on PATH. */
export interface RedisProgram {
  name: string
  version: string
  recent: boolean
}

/** The first of these programs that PATH has in a version new enough, and those that are too old. */
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

/** Where a server listens (the password is in `url`), and its process. */
export interface ServerAddress {
  url: string
  pid: number
}

/** A server that was started here; `ended` resolves when its process is gone, with how it went. */
export interface StartedServer extends ServerAddress {
  ended: Promise<string>
}

type OnSpawn = (address: ServerAddress) => Promise<void>

/**
 * Starts the program on a free loopback port with its append-only file in `<dataDir>/redis`; resolves once it answers.
 * It outlives this process and hears no Ctrl-C meant for it, so that work in flight can still be handed back.
 * `onSpawn` is awaited before the server opens anything. With `at`, the address of a server that ended, it listens there and has the same
 * password. Throws `misconfigured`, with the server's own last words.
 */
export async function startProgram(
  program: RedisProgram,
  dataDir: string,
  onSpawn: OnSpawn,
  at?: string,
): Promise<StartedServer> {
  await ensureDataDir(join(dataDir, 'redis'))
  // It may be an older one, or have come out of a backup.
  await makePrivate(join(dataDir, 'redis'))
  for (let tried = 1; ; tried += 1) {
    const server = await spawnProgram(program, dataDir, onSpawn, at)
    const failed = await endedOrReady(server)
    if (failed === undefined) return server
    const words = await lastWords(join(dataDir, 'redis.log'))
    // Somebody else may have taken the free port in the meantime.
    if (/already in use/i.test(words) && tried < TRIES) continue
    throw new MailError(
      'misconfigured',
      `${program.name} ${program.version} did not start (${failed}): ${words}. Mend that, or set REDIS_URL to a Redis of your own; ${join(dataDir, 'redis.log')} is its log`,
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
  // A server that ends before it has read its settings is told of by `ended`.
  child.stdin?.on('error', () => undefined)
  await log.close()
  const pid = child.pid ?? 0
  if (pid) await onSpawn({ url, pid })
  // By stdin, so that the password shows in no list of processes.
  child.stdin?.end(settings({ port, password, folder: join(resolve(dataDir), 'redis') }))
  return { url, pid, ended }
}

// Redis makes its files with the mask it was started with. Nothing else runs meanwhile.
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

async function lastWords(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return (lines.at(-1) ?? '').replace(/^\d+:\w .*? [#*.-] /, '')
}

/** Waits until the server answers and has read its data; throws `unavailable` when nothing is heard of it for half a minute. */
export async function untilReady(url: string, signal?: AbortSignal): Promise<undefined> {
  let heard = Date.now()
  while (!signal?.aborted) {
    const state = await probe(url)
    if (state === 'ready') return
    if (state === 'busy') heard = Date.now()
    if (Date.now() - heard > SILENT_MS) {
      throw new MailError('unavailable', 'the embedded Redis does not answer: look into redis.log in DATA_DIR')
    }
    await sleep(LOOK_AGAIN_MS, signal)
  }
}

/** Whether a Redis with this password answers at this address; `busy` when it is there, but still reads its data or is stuck. */
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

/** Asks the server to write everything down and end; resolves when it has, and kills it when it does not within ten seconds. */
export async function shutDown(url: string, pid: number): Promise<void> {
  const client = openClient(url)
  // The server ends the connection instead of answering.
  const asked = client.shutdown('NOSAVE').catch(() => undefined)
  const deadline = Date.now() + STOP_MS
  while ((await probe(url)) !== 'absent') {
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL')
    await sleep(LOOK_AGAIN_MS)
  }
  close(client)
  await asked
}

function openClient(url: string): Redis {
  const client = new Redis(url, { enableReadyCheck: false, maxRetriesPerRequest: 0, retryStrategy: () => null })
  // Whatever goes wrong also rejects what was asked.
  client.on('error', () => undefined)
  return client
}

function close(client: Redis): void {
  // Disconnecting what is closed already would keep this process up for two seconds more.
  if (client.status !== 'end') client.disconnect()
}

/** A port on 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
