import { constants, readFileSync } from 'node:fs'
import { access, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MailError } from '../../shared/error.ts'
import { hasEnded, isRunning, pidWorld, startOf } from '../base/process-state.ts'

/**
 * A process of this machine: its id and when it started (ms since 1970), because ids are used again. Where the system tells, also what its id
 * means (`pidWorld`) and its start by the kernel's clock.
 */
export interface Owner {
  pid: number
  since: number
  world?: string | undefined
  start?: string | undefined
}

const me: Owner = {
  pid: process.pid,
  since: Math.round(Date.now() - process.uptime() * 1000),
  world: pidWorld,
  start: startOf('self'),
}
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600
let written = 0

/** This process. */
export function thisProcess(): Owner {
  return me
}

/** Whether a process still runs; a process of an earlier life that had this one's id counts as ended. */
export function isAlive(owner: Owner): boolean {
  if (owner.world === me.world && owner.start !== undefined) return !hasEnded(owner.pid, owner.start)
  return owner.pid === me.pid ? owner.since === me.since : isRunning(owner.pid)
}

/** Creates the folder, readable for its owner alone, where it is missing; throws `misconfigured` when it cannot be written to. */
export async function ensureDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: PRIVATE_FOLDER })
    await access(dataDir, constants.W_OK | constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'it, or a part of its path, is a file' : `${code}`
    throw new MailError(
      'misconfigured',
      `DATA_DIR ${resolve(dataDir)} is no folder that can be written to (${why}): correct its permissions, or set DATA_DIR to another folder`,
      { cause: error },
    )
  }
}

/** Takes what others may do with a folder of ours away, and with all that is in it: 0700 and 0600. What is another user's stays as it is. */
export async function makePrivate(folder: string): Promise<void> {
  const inside = await readdir(folder, { recursive: true, withFileTypes: true })
  const places = inside.map(entry => ({ path: join(entry.parentPath, entry.name), entry }))
  // A link leads to what is not ours to change.
  const ours = places.filter(({ entry }) => entry.isFile() || entry.isDirectory())
  await chmodIfOurs(folder, PRIVATE_FOLDER)
  for (const { path, entry } of ours) await chmodIfOurs(path, entry.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE)
}

async function chmodIfOurs(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPERM' && error.code !== 'ENOENT') throw error
  })
}

/** Writes a note of this name, for other commands to find; readable for its owner alone, and never seen half written. */
export async function writeNote(dataDir: string, name: string, note: object): Promise<void> {
  written += 1
  const draft = join(dataDir, `.${name}.${me.pid}.${written}`)
  await writeFile(draft, `${JSON.stringify(note)}\n`, { mode: PRIVATE_FILE })
  await rename(draft, pathOf(dataDir, name))
}

/** Reads a note; `undefined` where there is none, or none that can be read. */
export async function readNote(dataDir: string, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(pathOf(dataDir, name), 'utf8'))
  } catch {
    return undefined
  }
}

/** The same for the moment of exit, when nothing can be waited for. */
export function readNoteSync(dataDir: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(pathOf(dataDir, name), 'utf8'))
  } catch {
    return undefined
  }
}

/** Removes a note, if there is one. */
export async function removeNote(dataDir: string, name: string): Promise<void> {
  await rm(pathOf(dataDir, name), { force: true })
}

/** Notes something that holds for as long as this process runs, such as an address it serves. */
export async function noteRunning(dataDir: string, name: string, value: unknown): Promise<void> {
  await ensureDataDir(dataDir)
  await writeNote(dataDir, name, { ...me, value })
}

/** What a process that still runs has noted under this name; the caller checks its shape. */
export async function findRunning(dataDir: string, name: string): Promise<unknown> {
  const note = await readNote(dataDir, name)
  return isOwned(note) && isAlive(note) ? note.value : undefined
}

/** Takes this process's note back; another's is left alone. */
export async function forgetRunning(dataDir: string, name: string): Promise<void> {
  const note = await readNote(dataDir, name)
  if (isOwned(note) && note.pid === me.pid && note.since === me.since) await removeNote(dataDir, name)
}

function isOwned(note: unknown): note is Owner & { value: unknown } {
  const { pid, since } = (note ?? {}) as Partial<Owner>
  return typeof pid === 'number' && typeof since === 'number'
}

function pathOf(dataDir: string, name: string): string {
  return join(dataDir, `${name}.json`)
}
