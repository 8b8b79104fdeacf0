import { readFile } from 'node:fs/promises'
import { type Child, openChildren } from '../chaos/children.ts'

/** The child processes of one measurement. */
export interface Processes {
  start(name: string, words: readonly [program: string, ...rest: string[]], env: NodeJS.ProcessEnv): Promise<Child>
  /** Kills a process deliberately. */
  kill(child: Child): void
  /** Returns the CPU time of all processes so far, in seconds; `undefined` where the system does not report it. */
  cpuSeconds(): Promise<number | undefined>
  /** Aborts when a process ends unexpectedly, with an error that quotes its log. */
  failed: AbortSignal
  endAll(): Promise<void>
}

const QUOTED_LINES = 5

/** Creates an empty set of processes; `folder` holds their logs. */
export function openProcesses(folder: string): Processes {
  const children = openChildren(folder)
  const failed = new AbortController()
  const started: Child[] = []
  const killed = new Set<Child>()
  let isOver = false

  const watch = async (name: string, child: Child) => {
    await child.ended
    if (isOver || killed.has(child)) return
    const lines = (await readFile(child.log, 'utf8').catch(() => '')).trimEnd().split('\n')
    failed.abort(new Error(`${name} ended unexpectedly: ${lines.slice(-QUOTED_LINES).join('\n')}`))
  }

  return {
    failed: failed.signal,
    async start(name, words, env) {
      const child = await children.start(name, words, env)
      started.push(child)
      void watch(name, child)
      return child
    },
    kill(child) {
      killed.add(child)
      child.send('SIGKILL')
    },
    async cpuSeconds() {
      const used = await Promise.all(started.filter(child => !killed.has(child)).map(cpuSecondsOf))
      return used.includes(undefined) ? undefined : used.reduce<number>((sum, one = 0) => sum + one, 0)
    },
    async endAll() {
      isOver = true
      await children.endAll()
    },
  }
}

// Only Linux reports it in a file, in hundredths of a second.
async function cpuSecondsOf({ pid }: Child): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [user, system] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return user === undefined || system === undefined ? undefined : (user + system) / 100
}
