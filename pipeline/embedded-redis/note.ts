import { z } from 'zod'
import { isRunning } from '../base/process-state.ts'
import { isAlive, readNote, readNoteSync, removeNote, thisProcess, writeNote } from './data-dir.ts'
import { probe } from './program.ts'

/** The name of the note and of its lock in the folder. */
export const REDIS_NOTE = 'redis'

const noteSchema = z.object({
  url: z.string(),
  label: z.string(),
  durable: z.boolean(),
  pid: z.number(),
  users: z.array(
    z.object({ pid: z.number(), since: z.number(), world: z.string().optional(), start: z.string().optional() }),
  ),
})

/** The address of a folder's embedded Redis, and the processes that use it. */
export type RedisNote = z.infer<typeof noteSchema>

/** Reads the note; `undefined` where it is missing or unreadable. */
export async function readRedisNote(dataDir: string): Promise<RedisNote | undefined> {
  return noteSchema.safeParse(await readNote(dataDir, REDIS_NOTE)).data
}

/** Reads the note synchronously, for exit handlers. */
export function readRedisNoteSync(dataDir: string): RedisNote | undefined {
  return noteSchema.safeParse(readNoteSync(dataDir, REDIS_NOTE)).data
}

/** Writes the note and replaces an existing one. */
export function writeRedisNote(dataDir: string, note: RedisNote): Promise<void> {
  return writeNote(dataDir, REDIS_NOTE, note)
}

/** Removes the note. */
export function removeRedisNote(dataDir: string): Promise<void> {
  return removeNote(dataDir, REDIS_NOTE)
}

/** Returns the note of a server that answers; ignores a stale note of a crash or a reboot. */
export async function noteOfRunning(dataDir: string): Promise<RedisNote | undefined> {
  const note = await readRedisNote(dataDir)
  if (!note) return undefined
  const state = await probe(note.url)
  return state === 'ready' || (state === 'busy' && isRunning(note.pid)) ? note : undefined
}

/** Returns the note of a lost server with its live users of other processes; they reconnect only to the same address. */
export async function noteOfLost(dataDir: string): Promise<RedisNote | undefined> {
  const note = await readRedisNote(dataDir)
  const users = note?.users.filter(user => !isMine(user) && isAlive(user)) ?? []
  return note?.durable && users.length > 0 ? { ...note, users } : undefined
}

/** Returns the users without one entry of this process, which may use the same server more than once. */
export function withoutMe(users: RedisNote['users']): RedisNote['users'] {
  const mine = users.findIndex(isMine)
  return users.filter((_, index) => index !== mine)
}

function isMine({ pid, since }: RedisNote['users'][number]): boolean {
  const me = thisProcess()
  return pid === me.pid && since === me.since
}
