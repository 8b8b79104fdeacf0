import { link, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MailError } from '../../shared/error.ts'
import { sleep } from '../base/wait.ts'
import { isAlive, type Owner, thisProcess } from './data-dir.ts'

const LOOK_AGAIN_MS = 25
const PATIENCE_MS = 120_000
let drafts = 0

/**
 * Does the work while no other process that locks the same name in the same folder does; a lock whose holder died is taken over.
 * Throws `unavailable` when it is not to be had within two minutes.
 *
 * Each holder adds a file with the next number, and the highest number holds. So taking over from the dead is a creation, which
 * only one of many can succeed at, where removing the dead one's file could hit that of somebody faster.
 */
export async function withLock<T>(folder: string, name: string, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const mine = await take(folder, name)
    if (typeof mine === 'string') {
      try {
        return await work()
      } finally {
        await truncate(mine).catch(() => undefined)
      }
    }
    if (Date.now() > deadline) {
      throw new MailError(
        'unavailable',
        `${folder} is locked by process ${mine?.pid ?? '(unknown)'}, which is still starting or stopping: wait for it, or end it`,
      )
    }
    await sleep(LOOK_AGAIN_MS)
  }
}

async function take(folder: string, name: string): Promise<string | Owner | undefined> {
  const held = await numbers(folder, name)
  const last = held.at(-1) ?? 0
  const holder = await holderOf(pathOf(folder, name, last))
  if (holder && isAlive(holder)) return holder

  const mine = pathOf(folder, name, last + 1)
  if (!(await create(mine))) return undefined
  const now = await numbers(folder, name)
  if (now.at(-1) !== last + 1) {
    await rm(mine, { force: true })
    return undefined
  }
  await Promise.all(held.map(number => rm(pathOf(folder, name, number), { force: true })))
  return mine
}

/** Creates the file with its holder in it, in one step; says whether it was this call that did. */
async function create(path: string): Promise<boolean> {
  drafts += 1
  const draft = `${path}.${process.pid}.${drafts}`
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

async function holderOf(path: string): Promise<Owner | undefined> {
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
