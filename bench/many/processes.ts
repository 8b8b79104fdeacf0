import { readFile } from 'node:fs/promises'
import { type Child, openChildren } from '../chaos/children.ts'

/** The processes of one measurement. */
export interface Processes {
  start(name: string, words: readonly [program: string, ...rest: string[]], env: NodeJS.ProcessEnv): Promise<Child>
  /** Kills one on purpose. */
  kill(child: Child): void
  /** Aborts, with an error that quotes its log, when a process ends by itself. */
  failed: AbortSignal
  endAll(): Promise<void>
}

const QUOTED_LINES = 5

/** No processes yet; `folder` takes their logs. */
export function openProcesses(folder: string): Processes {
  const children = openChildren(folder)
  const failed = new AbortController()
  const killed = new Set<Child>()
  let isOver = false

  const watch = async (name: string, child: Child) => {
    await child.ended
    if (isOver || killed.has(child)) return
    const lines = (await readFile(child.log, 'utf8').catch(() => '')).trimEnd().split('\n')
    failed.abort(new Error(`${name} ended by itself: ${lines.slice(-QUOTED_LINES).join('\n')}`))
  }

  return {
    failed: failed.signal,
    async start(name, words, env) {
      const child = await children.start(name, words, env)
      void watch(name, child)
      return child
    },
    kill(child) {
      killed.add(child)
      child.send('SIGKILL')
    },
    async endAll() {
      isOver = true
      await children.endAll()
    },
  }
}
