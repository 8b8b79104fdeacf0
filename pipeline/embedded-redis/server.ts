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

/** A Redis that mailsluice looks after itself, on loopback and with a password (in `url`: never print it). */
export interface EmbeddedRedis {
  url: string
  /** For people: what it is, and whether it keeps what it holds. */
  label: string
  /** It keeps what it holds when it is stopped. */
  durable: boolean
  /** Resolves, with what is wrong, when it has ended and cannot be started again. Never after `stop`. */
  lost: Promise<MailError>
  /** Gives it back; the last process that uses a real server shuts it down, with everything on disk. */
  stop(): Promise<void>
}

interface EmbeddedRedisOptions {
  dataDir: string
  /** The server programs to look for on PATH, in this order. */
  programs?: readonly string[]
  log: Log
}

/**
 * A Redis for this process: the one that already serves this folder, be it another process's or one that a killed process left
 * behind; else a real server with its append-only file in `<dataDir>/redis`; else one in JavaScript that keeps nothing. A real server
 * that ends is started again where it was. Never are there two on one folder. Throws `misconfigured` when the folder cannot be used or
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

/** The embedded Redis that serves this folder now, or is about to again: for commands beside the process that started it. */
export async function findEmbeddedRedis(
  dataDir: string,
): Promise<Pick<EmbeddedRedis, 'url' | 'label' | 'durable'> | undefined> {
  const note = (await noteOfRunning(dataDir)) ?? (await noteOfLost(dataDir))
  return note && { url: note.url, label: note.label, durable: note.durable }
}

type Options = Required<EmbeddedRedisOptions>

async function share(options: Options): Promise<EmbeddedRedis | undefined> {
  const note = await noteOfRunning(options.dataDir)
  if (!note) return undefined
  await untilReady(note.url)
  const shared = { ...note, users: [...note.users.filter(isAlive), thisProcess()] }
  await writeRedisNote(options.dataDir, shared)
  return held(shared, options)
}

async function start(options: Options): Promise<EmbeddedRedis> {
  const { dataDir, programs } = options
  const { program, tooOld } = await findProgram(programs)
  if (!program) return startInside(options, notice(dataDir, programs, tooOld))
  const lost = await noteOfLost(dataDir)
  const users = [...(lost?.users ?? []), thisProcess()]
  return held(await startReal(dataDir, program, { users, at: lost?.url }), options)
}

// The note is there before the server is, so that the server is found even if this process is killed while it starts.
async function startReal(
  dataDir: string,
  program: RedisProgram,
  { users, at }: { users: Owner[]; at: string | undefined },
): Promise<RedisNote> {
  const label = `${program.name} ${program.version}, kept in ${dataDir}`
  const noteOf = ({ url, pid }: ServerAddress): RedisNote => ({ url, label, durable: true, pid, users })
  return noteOf(await startProgram(program, dataDir, address => writeRedisNote(dataDir, noteOf(address)), at))
}

async function startInside(options: Options, reason: string): Promise<EmbeddedRedis> {
  const server = await startJsRedis()
  options.log.warn(reason)
  const label = `${server.label}, nothing is kept`
  const note = { url: server.url, label, durable: false, pid: process.pid, users: [thisProcess()] }
  await writeRedisNote(options.dataDir, note)
  return held(note, options, server.close)
}

/** `closeOwn` ends a server that lives inside this process, whoever else uses it: it could not outlive the process anyway. */
function held(
  { url, label, durable, pid: firstPid }: RedisNote,
  { dataDir, programs, log }: Options,
  closeOwn?: () => Promise<void>,
): EmbeddedRedis {
  let server = { pid: firstPid, start: startOf(firstPid) ?? '' }
  let left: Promise<void> | undefined
  const leaving = new AbortController()
  // An exit without `stop` would leave the server behind with nobody to end it.
  const atExit = () => {
    const note = readRedisNoteSync(dataDir)
    const others = note?.users.filter(user => user.pid !== process.pid && isAlive(user))
    if (durable && note?.url === url && others?.length === 0 && isRunning(note.pid)) process.kill(note.pid, 'SIGTERM')
  }
  process.once('exit', atExit)
  const lost = supervise({
    name: label.replace(/,.*/, ''),
    // In another PID namespace its process cannot be seen.
    isRunning: async () => !hasEnded(server.pid, server.start) || (await probe(url)) !== 'absent',
    ...(durable ? { restart } : {}),
    logFile: join(dataDir, 'redis.log'),
    log,
    signal: leaving.signal,
  })
  return { url, label, durable, lost, stop }

  function stop(): Promise<void> {
    leaving.abort()
    left ??= leave()
    return left
  }

  async function leave(): Promise<void> {
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

  // Whoever comes first starts it; the others find it running.
  function restart(): Promise<void> {
    return withLock(dataDir, REDIS_NOTE, async () => {
      if (leaving.signal.aborted) return
      const note = await readRedisNote(dataDir)
      const isThere = note !== undefined && (await probe(note.url)) !== 'absent'
      if (isThere && note.url !== url) throw new MailError('unavailable', 'another was started in its place')
      const { program } = await findProgram(programs)
      if (!isThere && !program) throw new MailError('unavailable', `no ${programs.join(' or ')} on PATH`)
      const users = note?.url === url ? note.users.filter(isAlive) : [thisProcess()]
      const now = isThere || !program ? note : await startReal(dataDir, program, { users, at: url })
      if (now) server = { pid: now.pid, start: startOf(now.pid) ?? '' }
    })
  }
}

function notice(dataDir: string, programs: readonly string[], tooOld: readonly RedisProgram[]): string {
  const found = tooOld.map(({ name, version }) => `${name} ${version} is too old`)
  const why = [...found, ...(found.length > 0 ? [] : [`no ${programs.join(' or ') || 'Redis server'} on PATH`])].join(
    ', ',
  )
  const unread = existsSync(join(dataDir, 'redis')) ? ` What ${join(dataDir, 'redis')} holds stays there, unread.` : ''
  return `${why}: using a Redis in JavaScript, slow with much mail, and nothing is kept when it stops.${unread} Install Redis 7.0 or newer, or set REDIS_URL`
}
