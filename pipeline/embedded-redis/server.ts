import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MailError } from '../../shared/error.ts'
import type { Log as FullLog } from '../base/log.ts'
import { hasEnded, isRunning, startOf } from '../base/process-state.ts'
import { ensureDataDir, isAlive, type Owner, thisProcess } from './data-dir.ts'
import { startJsRedis } from './js-redis.ts'
import { withLock } from './lock.ts'
import {
  noteOfLost,
  noteOfRunning,
  REDIS_NOTE,
  type RedisNote,
  readRedisNote,
  readRedisNoteSync,
  removeRedisNote,
  withoutMe,
  writeRedisNote,
} from './note.ts'
import {
  findProgram,
  probe,
  type RedisProgram,
  type ServerAddress,
  shutDown,
  startProgram,
  untilReady,
} from './program.ts'
import { supervise } from './supervision.ts'

type Log = Pick<FullLog, 'warn' | 'error'>

const PROGRAMS = ['redis-server', 'valkey-server']

/** A Redis that mailsluice manages, on loopback and with a password (in `url`: never print it). */
export interface EmbeddedRedis {
  url: string
  /** The server and whether it is durable, for people. */
  label: string
  /** Whether its data survives a stop. */
  durable: boolean
  /** Resolves with the reason when it has ended and cannot be restarted. Never resolves after `stop`. */
  lost: Promise<MailError>
  /** Releases it; the last user of a real server shuts it down with all data on disk. */
  stop(): Promise<void>
}

interface EmbeddedRedisOptions {
  dataDir: string
  /** The server programs to look for on PATH, in this order. */
  programs?: readonly string[]
  log: Log
}

/**
 * Provides a Redis for this process. Shares the server that already runs for this folder, even one that a killed process left behind.
 * Otherwise starts a real server with its append-only file in `<dataDir>/redis`, or else a JavaScript Redis that is not durable. A real
 * server that ends is restarted at the same address. No folder ever has two servers. Throws `misconfigured` when the folder is unusable or
 * the server does not start.
 */
export async function embeddedRedis({
  dataDir,
  programs = PROGRAMS,
  log,
}: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const options = { dataDir, programs, log }
  await ensureDataDir(dataDir)
  return withLock(dataDir, REDIS_NOTE, async () => (await share(options)) ?? (await start(options)))
}

type Options = Required<EmbeddedRedisOptions>

async function share(options: Options): Promise<EmbeddedRedis | undefined> {
  const note = await noteOfRunning(options.dataDir)
  if (!note) return undefined
  await untilReady(note.url)
  const shared = { ...note, users: [...note.users.filter(isAlive), thisProcess()] }
  await writeRedisNote(options.dataDir, shared)
  return attach(shared, options)
}

async function start(options: Options): Promise<EmbeddedRedis> {
  const { dataDir, programs } = options
  const { program, tooOld } = await findProgram(programs)
  if (!program) return startInside(options, notice(dataDir, programs, tooOld))
  const lost = await noteOfLost(dataDir)
  const users = [...(lost?.users ?? []), thisProcess()]
  return attach(await startReal(dataDir, program, { users, at: lost?.url }), options)
}

// The note is written before the server starts, so that the server is found even if this process is killed meanwhile.
async function startReal(
  dataDir: string,
  program: RedisProgram,
  { users, at }: { users: Owner[]; at: string | undefined },
): Promise<RedisNote> {
  const label = `${program.name} ${program.version}, stored in ${dataDir}`
  const noteOf = ({ url, pid }: ServerAddress): RedisNote => ({ url, label, durable: true, pid, users })
  return noteOf(await startProgram(program, dataDir, address => writeRedisNote(dataDir, noteOf(address)), at))
}

async function startInside(options: Options, reason: string): Promise<EmbeddedRedis> {
  const server = await startJsRedis()
  options.log.warn(reason)
  const label = `${server.label}, not durable`
  const note = { url: server.url, label, durable: false, pid: process.pid, users: [thisProcess()] }
  await writeRedisNote(options.dataDir, note)
  return attach(note, options, server.close)
}

/** Attaches this process to a server; `closeOwn` closes a server inside this process, which cannot outlive it anyway. */
function attach(
  { url, label, durable, pid: firstPid }: RedisNote,
  { dataDir, programs, log }: Options,
  closeOwn?: () => Promise<void>,
): EmbeddedRedis {
  let server = { pid: firstPid, start: startOf(firstPid) ?? '' }
  let released: Promise<void> | undefined
  const stopping = new AbortController()
  // An exit without `stop` would leave an orphaned server behind.
  const atExit = () => {
    const note = readRedisNoteSync(dataDir)
    const others = note?.users.filter(user => user.pid !== process.pid && isAlive(user))
    if (durable && note?.url === url && others?.length === 0 && isRunning(note.pid)) process.kill(note.pid, 'SIGTERM')
  }
  process.once('exit', atExit)
  const lost = supervise({
    name: label.replace(/,.*/, ''),
    // A process in another PID namespace is invisible here.
    isRunning: async () => !hasEnded(server.pid, server.start) || (await probe(url)) !== 'absent',
    ...(durable ? { restart } : {}),
    logFile: join(dataDir, 'redis.log'),
    log,
    signal: stopping.signal,
  })
  return { url, label, durable, lost, stop }

  function stop(): Promise<void> {
    stopping.abort()
    released ??= release()
    return released
  }

  async function release(): Promise<void> {
    await withLock(dataDir, REDIS_NOTE, async () => {
      const note = await readRedisNote(dataDir)
      const ours = note?.url === url
      await closeOwn?.()
      const users = withoutMe(note?.users ?? []).filter(isAlive)
      if (ours && !closeOwn && (users.length > 0 || !durable)) return writeRedisNote(dataDir, { ...note, users })
      if (ours && durable) await shutDown(url, note.pid)
      if (ours) await removeRedisNote(dataDir)
    })
    process.off('exit', atExit)
  }

  // The first process restarts it; the others find it running.
  function restart(): Promise<void> {
    return withLock(dataDir, REDIS_NOTE, async () => {
      if (stopping.signal.aborted) return
      const note = await readRedisNote(dataDir)
      const isUp = note !== undefined && (await probe(note.url)) !== 'absent'
      if (isUp && note.url !== url) throw new MailError('unavailable', 'another server was started in its place')
      const { program } = await findProgram(programs)
      if (!isUp && !program) throw new MailError('unavailable', `no ${programs.join(' or ')} on PATH`)
      const users = note?.url === url ? note.users.filter(isAlive) : [thisProcess()]
      const now = isUp || !program ? note : await startReal(dataDir, program, { users, at: url })
      if (now) server = { pid: now.pid, start: startOf(now.pid) ?? '' }
    })
  }
}

function notice(dataDir: string, programs: readonly string[], tooOld: readonly RedisProgram[]): string {
  const found = tooOld.map(({ name, version }) => `${name} ${version} is too old`)
  const why = [...found, ...(found.length > 0 ? [] : [`no ${programs.join(' or ') || 'Redis server'} on PATH`])].join(
    ', ',
  )
  const unused = existsSync(join(dataDir, 'redis')) ? ` Data in ${join(dataDir, 'redis')} stays there, unused.` : ''
  return `${why}; using a JavaScript Redis, which is slow with much mail and loses its data when it stops.${unused} Install Redis 7.0 or newer, or set REDIS_URL`
}
