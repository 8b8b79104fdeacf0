import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import {
  ensureDataDir,
  isAlive,
  isRunning,
  readNote,
  readNoteSync,
  removeNote,
  thisProcess,
  writeNote,
} from './data-dir.ts'
import { startJsRedis } from './js-redis.ts'
import { withLock } from './lock.ts'
import type { Log as FullLog } from './log.ts'
import {
  findProgram,
  probe,
  type RedisProgram,
  type ServerAddress,
  shutDown,
  startProgram,
  untilReady,
} from './redis-program.ts'

type Log = Pick<FullLog, 'warn' | 'error'>

const NOTE = 'redis'
const PROGRAMS = ['redis-server', 'valkey-server']

/** A Redis that mailsluice looks after itself, on loopback and with a password (in `url`: never print it). */
export interface EmbeddedRedis {
  url: string
  /** For people: what it is, and whether it keeps what it holds. */
  label: string
  /** It keeps what it holds when it is stopped. */
  durable: boolean
  /** Gives it back; the last process that uses a real server shuts it down, with everything on disk. */
  stop(): Promise<void>
}

interface EmbeddedRedisOptions {
  dataDir: string
  /** The server programs to look for on PATH, in this order. */
  programs?: readonly string[]
  log: Log
}

const noteSchema = z.object({
  url: z.string(),
  label: z.string(),
  durable: z.boolean(),
  pid: z.number(),
  users: z.array(z.object({ pid: z.number(), since: z.number() })),
})
type Note = z.infer<typeof noteSchema>

/**
 * A Redis for this process: the one that already serves this folder, be it another process's or one that a killed process left
 * behind; else a real server with its append-only file in `<dataDir>/redis`; else one in JavaScript that keeps nothing.
 * Never are there two on one folder. Throws `misconfigured` when the folder cannot be used or the server does not start.
 */
export async function embeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const { dataDir } = options
  await ensureDataDir(dataDir)
  return withLock(dataDir, NOTE, async () => (await share(options)) ?? (await start(options)))
}

/** The embedded Redis that serves this folder now, if there is one: for commands beside the process that started it. */
export async function findEmbeddedRedis(
  dataDir: string,
): Promise<Pick<EmbeddedRedis, 'url' | 'label' | 'durable'> | undefined> {
  const note = await runningNote(dataDir)
  return note && { url: note.url, label: note.label, durable: note.durable }
}

async function share({ dataDir }: EmbeddedRedisOptions): Promise<EmbeddedRedis | undefined> {
  const note = await runningNote(dataDir)
  if (!note) return undefined
  await untilReady(note.url)
  const shared = { ...note, users: [...note.users.filter(isAlive), thisProcess()] }
  await writeNote(dataDir, NOTE, shared)
  return held(dataDir, shared)
}

async function start({ dataDir, programs = PROGRAMS, log }: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const { program, tooOld } = await findProgram(programs)
  return program ? startReal(dataDir, program, log) : startInside(dataDir, notice(dataDir, programs, tooOld), log)
}

async function startReal(dataDir: string, program: RedisProgram, log: Log): Promise<EmbeddedRedis> {
  const label = `${program.name} ${program.version}, kept in ${dataDir}`
  const noteOf = ({ url, pid }: ServerAddress) => ({ url, label, durable: true, pid, users: [thisProcess()] })
  // The note is there before the server is, so that the server is found even if this process is killed while it starts.
  const server = await startProgram(program, dataDir, address => writeNote(dataDir, NOTE, noteOf(address)))
  const redis = held(dataDir, noteOf(server))
  server.ended.then(how => {
    if (redis.leaving()) return
    log.error(
      `${program.name} ended by itself (${how}): start mailsluice again; ${join(dataDir, 'redis.log')} may say why`,
    )
  })
  return redis
}

async function startInside(dataDir: string, reason: string, log: Log): Promise<EmbeddedRedis> {
  const server = await startJsRedis()
  log.warn(reason)
  const label = `${server.label}, nothing is kept`
  const note = { url: server.url, label, durable: false, pid: process.pid, users: [thisProcess()] }
  await writeNote(dataDir, NOTE, note)
  return held(dataDir, note, server.close)
}

/** `closeOwn` ends a server that lives inside this process, whoever else uses it: it could not outlive the process anyway. */
function held(dataDir: string, { url, label, durable, pid }: Note, closeOwn?: () => Promise<void>) {
  let left: Promise<void> | undefined
  // An exit without `stop` would leave the server behind with nobody to end it.
  const atExit = () => {
    const note = parseNote(readNoteSync(dataDir, NOTE))
    const others = note?.users.filter(user => user.pid !== process.pid && isAlive(user))
    if (durable && note?.url === url && others?.length === 0) process.kill(pid, 'SIGTERM')
  }
  process.once('exit', atExit)

  async function leave(): Promise<void> {
    await withLock(dataDir, NOTE, async () => {
      const note = parseNote(await readNote(dataDir, NOTE))
      const ours = note?.url === url
      await closeOwn?.()
      const users = withoutMe(note?.users ?? []).filter(isAlive)
      if (ours && !closeOwn && (users.length > 0 || !durable)) return writeNote(dataDir, NOTE, { ...note, users })
      if (ours && durable) await shutDown(url, pid)
      if (ours) await removeNote(dataDir, NOTE)
    })
    process.off('exit', atExit)
  }

  function stop(): Promise<void> {
    left ??= leave()
    return left
  }
  return { url, label, durable, stop, leaving: () => left !== undefined }
}

// The note of a server that answers; what a crash or a restart of the machine left behind counts as none.
async function runningNote(dataDir: string): Promise<Note | undefined> {
  const note = parseNote(await readNote(dataDir, NOTE))
  if (!note) return undefined
  const state = await probe(note.url)
  return state === 'ready' || (state === 'busy' && isRunning(note.pid)) ? note : undefined
}

function parseNote(value: unknown): Note | undefined {
  return noteSchema.safeParse(value).data
}

// One process may hold the same server more than once.
function withoutMe(users: Note['users']): Note['users'] {
  const mine = users.findIndex(({ pid }) => pid === process.pid)
  return users.filter((_, index) => index !== mine)
}

function notice(dataDir: string, programs: readonly string[], tooOld: readonly RedisProgram[]): string {
  const found = tooOld.map(({ name, version }) => `${name} ${version} is too old`)
  const why = [...found, ...(found.length > 0 ? [] : [`no ${programs.join(' or ') || 'Redis server'} on PATH`])].join(
    ', ',
  )
  const unread = existsSync(join(dataDir, 'redis')) ? ` What ${join(dataDir, 'redis')} holds stays there, unread.` : ''
  return `${why}: using a Redis in JavaScript, slow with much mail, and nothing is kept when it stops.${unread} Install Redis 7.0 or newer, or set REDIS_URL`
}
