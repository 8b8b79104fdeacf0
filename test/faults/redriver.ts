import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { openApp } from '../../pipeline/base/app.ts'
import { readConfig } from '../../shared/config.ts'
import { listDead, redriveDead } from '../../shared/redis/dead.ts'

/** A process that has listed the dead letters, and redrives them on request. */
export interface Redriver {
  /** Returns how many it put back. */
  go(): Promise<number>
}

const here = fileURLToPath(import.meta.url)

/** Starts the process and waits until it has listed the dead letters. */
export async function startRedriver(
  t: Test,
  task: { settings: Record<string, string>; url: string },
): Promise<Redriver> {
  const child = spawn(process.execPath, [...process.execArgv, here, JSON.stringify(task)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  await once(child, 'message')
  return {
    async go() {
      const reported = once(child, 'message')
      child.send('go')
      return Number((await reported)[0])
    },
  }
}

if (process.argv[1] === here) await redrive(JSON.parse(process.argv[2] ?? ''))

async function redrive({ settings, url }: { settings: Record<string, string>; url: string }): Promise<void> {
  const app = await openApp(readConfig(settings), url)
  const { redis, keys, now, newRunId } = app
  const letters = await listDead(redis, keys)
  const reported = once(process, 'message')
  process.send?.('looked')
  await reported
  const done = await Promise.all(
    letters.map(letter => redriveDead(redis, keys, letter, { now: now(), newRunId: newRunId() })),
  )
  process.send?.(done.filter(one => one).length)
  app.close()
  process.disconnect()
}
