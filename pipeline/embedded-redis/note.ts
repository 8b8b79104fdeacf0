import { z } from 'zod'
import { isRunning } from '../base/process-state.ts'
import { isAlive, readNote, readNoteSync, removeNote, thisProcess, writeNote } from './data-dir.ts'
import { probe } from './program.ts'

/** The name that the note and its lock have in the folder. */
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

/** What is noted of the embedded Redis of a folder: where it is, and which processes use it. */
export type RedisNote = z.infer<typeof noteSchema>

/** Reads the note; `undefined` where there is none that can be read. */
export async function readRedisNote(dataDir: string): Promise<RedisNote | undefined> {
  return noteSchema.safeParse(await readNote(dataDir, REDIS_NOTE)).data
}

/** The same for the moment of exit, when nothing can be waited for. */
export function readRedisNoteSync(dataDir: string): RedisNote | undefined {
  return noteSchema.safeParse(readNoteSync(dataDir, REDIS_NOTE)).data
}

/** Writes the note in place of any other. */
export function writeRedisNote(dataDir: string, note: RedisNote): Promise<void> {
  return writeNote(dataDir, REDIS_NOTE, note)
}

/** Removes the note. */
export function removeRedisNote(dataDir: string): Promise<void> {
  return removeNote(dataDir, REDIS_NOTE)
}

/** The note of a server that answers; what a crash or a restart of the machine left behind counts as none. */
export async function noteOfRunning(dataDir: string): Promise<RedisNote | undefined> {
  const note = await readRedisNote(dataDir)
  if (!note) return undefined
  const state = await probe(note.url)
  return state === 'ready' || (state === 'busy' && isRunning(note.pid)) ? note : undefined
}

/** The note of a server that others which still run have lost, with those: they find one again only where it was. */
export async function noteOfLost(dataDir: string): Promise<RedisNote | undefined> {
  const note = await readRedisNote(dataDir)
  const users = note?.users.filter(user => !isMine(user) && isAlive(user)) ?? []
  return note?.durable && users.length > 0 ? { ...note, users } : undefined
}

/** The users without one entry of this process, which may hold the same server more than once. */
export function withoutMe(users: RedisNote['users']): RedisNote['users'] {
  const mine = users.findIndex(isMine)
  return users.filter((_, index) => index !== mine)
}

function isMine({ pid, since }: RedisNote['users'][number]): boolean {
  const me = thisProcess()
  return pid === me.pid && since === me.since
}
