import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A process that was started here; what it prints is in `log`. */
export interface Child {
  pid: number
  log: string
  send(signal: NodeJS.Signals): void
  /** Resolves when it is gone, however it went. */
  ended: Promise<void>
}

/** The processes of one chaos. None of them outlives this one, unless this one is killed outright. */
export interface Children {
  /** Starts a program; what it prints is added to `<folder>/<name>.log`. */
  start(name: string, words: readonly [program: string, ...rest: string[]], env: NodeJS.ProcessEnv): Promise<Child>
  /** Kills all that still run, each by its id, and starts none any more. */
  endAll(): Promise<void>
}

/** No processes yet; `folder` takes their logs. */
export function openChildren(folder: string): Children {
  const running = new Map<number, Child>()
  let closed = false
  // A stopped process takes SIGKILL too.
  const killAll = () => {
    for (const child of running.values()) child.send('SIGKILL')
  }
  process.once('exit', killAll)

  return {
    async start(name, [program, ...words], env) {
      const log = join(folder, `${name}.log`)
      const file = await open(log, 'a')
      try {
        if (closed) throw new Error('the chaos is over')
        const started = spawn(program, words, { env, stdio: ['ignore', file.fd, file.fd] })
        const ended = new Promise<void>(resolve => {
          started.once('exit', () => resolve())
          started.once('error', () => resolve())
        })
        const { pid } = started
        if (pid === undefined) throw new Error(`${program} cannot be started: is it installed?`)
        const child: Child = { pid, log, send: signal => void started.kill(signal), ended }
        running.set(pid, child)
        void ended.then(() => running.delete(pid))
        return child
      } finally {
        await file.close()
      }
    },

    async endAll() {
      closed = true
      const last = [...running.values()]
      killAll()
      await Promise.all(last.map(({ ended }) => ended))
      process.off('exit', killAll)
    },
  }
}

/** Whether a log holds a text. */
export async function logHolds(log: string, text: string): Promise<boolean> {
  return (await readFile(log, 'utf8')).includes(text)
}
