import { link, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { sleep } from '../base/wait.ts'
import { isAlive, type Owner, thisProcess } from './data-dir.ts'

const RETRY_MS = 25
const TIMEOUT_MS = 120_000

/**
 * Runs the work under a lock on the name in the folder; takes over a lock whose owner died. Throws `unavailable` when the lock is not free
 * within two minutes.
 *
 * Each owner adds a file with the next number, and the highest number owns the lock. A takeover is therefore an exclusive creation that only
 * one process wins. Removing the dead owner's file instead could remove the file of a faster process.
 */
export async function withLock<T>(
  folder: string,
  name: string,
  work: () => Promise<T>,
  machine: Machine = MACHINE,
): Promise<T> {
  const deadline = machine.elapsed() + TIMEOUT_MS
  for (;;) {
    const mine = await take(folder, name, machine)
    if (typeof mine === 'string') {
      try {
        return await work()
      } finally {
        await truncate(mine).catch(() => undefined)
      }
    }
    if (machine.elapsed() > deadline) {
      throw new MailError(
        'unavailable',
        `${folder} is locked by process ${mine?.pid ?? '(unknown)'}, which is still starting or stopping; wait for it, or end it`,
      )
    }
    await sleep(RETRY_MS, undefined, machine)
  }
}

async function take(folder: string, name: string, { uuid }: Machine): Promise<string | Owner | undefined> {
  const existing = await numbers(folder, name)
  const last = existing.at(-1) ?? 0
  const owner = await ownerOf(pathOf(folder, name, last))
  if (owner && isAlive(owner)) return owner

  const mine = pathOf(folder, name, last + 1)
  if (!(await create(mine, uuid()))) return undefined
  const now = await numbers(folder, name)
  if (now.at(-1) !== last + 1) {
    await rm(mine, { force: true })
    return undefined
  }
  await Promise.all(existing.map(number => rm(pathOf(folder, name, number), { force: true })))
  return mine
}

/** Creates the file with its owner in one step; returns false where it already exists. */
async function create(path: string, id: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.${id}`
  await writeFile(draft, JSON.stringify(thisProcess()), { mode: 0o600 })
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined
  }
}

async function numbers(folder: string, name: string): Promise<number[]> {
  const pattern = new RegExp(`^${name}\\.lock\\.(\\d+)$`)
  const found = (await readdir(folder)).map(file => Number(pattern.exec(file)?.[1]))
  return found.filter(number => number > 0).sort((a, b) => a - b)
}

function pathOf(folder: string, name: string, number: number): string {
  return join(folder, `${name}.lock.${number}`)
}
