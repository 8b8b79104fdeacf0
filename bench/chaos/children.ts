import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A child process; its output goes to the file `log`. */
export interface Child {
  pid: number
  log: string
  send(signal: NodeJS.Signals): void
  /** Resolves when the process has ended, for any reason. */
  ended: Promise<void>
}

/** The child processes of one run. They end with this process, unless it is killed with SIGKILL. */
export interface Children {
  /** Starts a program; appends its output to `<folder>/<name>.log`. */
  start(name: string, words: readonly [program: string, ...rest: string[]], env: NodeJS.ProcessEnv): Promise<Child>
  /** Kills all running children, each by its id, and prevents new ones. */
  endAll(): Promise<void>
}

/** Creates an empty set of processes; `folder` holds their logs. */
export function openChildren(folder: string): Children {
  const running = new Map<number, Child>()
  let closed = false
  // SIGKILL also ends a process that SIGSTOP has paused.
  const killAll = () => {
    for (const child of running.values()) child.send('SIGKILL')
  }
  process.once('exit', killAll)

  return {
    async start(name, [program, ...words], env) {
      const log = join(folder, `${name}.log`)
      const file = await open(log, 'a')
      try {
        if (closed) throw new Error('cannot start a process: the run has ended')
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

/** Returns whether a log contains a text. */
export async function logHolds(log: string, text: string): Promise<boolean> {
  return (await readFile(log, 'utf8')).includes(text)
}
