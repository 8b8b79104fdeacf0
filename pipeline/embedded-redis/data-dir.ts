import { constants, readFileSync } from 'node:fs'
import { access, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { hasEnded, isRunning, pidScope, startOf } from '../base/process-state.ts'

/**
 * A process of this machine: its id and start time (ms since 1970), because ids are reused. Where known, also the scope of its id
 * (`pidScope`) and its start by the kernel's clock.
 */
export interface Owner {
  pid: number
  since: number
  world?: string | undefined
  start?: string | undefined
}

// Computed once, because a later reading of the clock would name another process.
const me: Owner = ownerOf()
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600

function ownerOf({ date }: Pick<Machine, 'date'> = MACHINE): Owner {
  const since = Math.round(date() - process.uptime() * 1000)
  return { pid: process.pid, since, world: pidScope, start: startOf('self') }
}

/** Returns the owner record of this process. */
export function thisProcess(): Owner {
  return me
}

/** Returns whether a process still runs; an earlier process with the id of this one counts as ended. */
export function isAlive(owner: Owner): boolean {
  if (owner.world === me.world && owner.start !== undefined) return !hasEnded(owner.pid, owner.start)
  return owner.pid === me.pid ? owner.since === me.since : isRunning(owner.pid)
}

/** Creates the folder with mode 0700 where it is missing; throws `misconfigured` when it is not writable. */
export async function ensureDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: PRIVATE_FOLDER })
    await access(dataDir, constants.W_OK | constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'the path, or a part of it, is a file' : `${code}`
    throw new MailError(
      'misconfigured',
      `DATA_DIR ${resolve(dataDir)} is not a writable folder (${why}); correct its permissions, or set DATA_DIR to another folder`,
      { cause: error },
    )
  }
}

/** Restricts a folder and its content to their owner: 0700 and 0600. Entries of another user stay unchanged. */
export async function makePrivate(folder: string): Promise<void> {
  const inside = await readdir(folder, { recursive: true, withFileTypes: true })
  const entries = inside.map(entry => ({ path: join(entry.parentPath, entry.name), entry }))
  // The target of a symbolic link may belong to something else.
  const targets = entries.filter(({ entry }) => entry.isFile() || entry.isDirectory())
  await chmodIfOurs(folder, PRIVATE_FOLDER)
  for (const { path, entry } of targets) await chmodIfOurs(path, entry.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE)
}

async function chmodIfOurs(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPERM' && error.code !== 'ENOENT') throw error
  })
}

/** Writes a note for other commands: atomically, and with mode 0600. */
export async function writeNote(
  dataDir: string,
  name: string,
  note: object,
  { uuid }: Pick<Machine, 'uuid'> = MACHINE,
): Promise<void> {
  const draft = join(dataDir, `.${name}.${me.pid}.${uuid()}`)
  await writeFile(draft, `${JSON.stringify(note)}\n`, { mode: PRIVATE_FILE })
  await rename(draft, pathOf(dataDir, name))
}

/** Reads a note; `undefined` where it is missing or unreadable. */
export async function readNote(dataDir: string, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(pathOf(dataDir, name), 'utf8'))
  } catch {
    return undefined
  }
}

/** Reads a note synchronously, for exit handlers. */
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

/** Writes a note that is valid while this process runs, such as the address of its server. */
export async function noteRunning(dataDir: string, name: string, value: unknown): Promise<void> {
  await ensureDataDir(dataDir)
  await writeNote(dataDir, name, { ...me, value })
}

/** Returns the value that a running process noted under this name; the caller validates its shape. */
export async function findRunning(dataDir: string, name: string): Promise<unknown> {
  const note = await readNote(dataDir, name)
  return isOwned(note) && isAlive(note) ? note.value : undefined
}

/** Removes this process's note; keeps a note of another process. */
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
