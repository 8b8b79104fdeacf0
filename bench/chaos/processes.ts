import { fileURLToPath } from 'node:url'
import type { SENDER, StageName } from '../../shared/stage.ts'
import { type Child, type Children, logHolds } from './children.ts'

const MAIN = fileURLToPath(new URL('../../pipeline/main.js', import.meta.url))
/** The role of a process: a stage, or the keeper. */
type Role = Exclude<StageName, typeof SENDER> | 'keeper'

/** The number of processes per role; roles that race with each other run more than once. */
const SIZES: Record<Role, number> = {
  'list-ids': 2,
  'cache-filter': 1,
  'batch-fetch': 2,
  merge: 2,
  'thread-group': 2,
  'ai-dispatch': 2,
  keeper: 1,
}
const SKEW = new URL('./skew.js', import.meta.url).href
// Clocks are correct, an hour ahead, or an hour behind, in turn.
const SKEWS_MS = [0, 3_600_000, -3_600_000]
const RESTART_MS = 300
// The crash line of the process itself, and the one of Node.js when the program fails to load.
const CRASHED = ['unexpected error; exiting', '\nNode.js v']

/** A slot for one process; whenever the process ends, the next one takes its place. */
export interface ProcessSlot {
  name: string
  /** The running process; `undefined` during a restart, and while another fault affects it. */
  idle(): Child | undefined
  /** Ends the process with a signal; the next starts after a pause. Resolves once it has started. */
  end(signal: 'SIGKILL' | 'SIGTERM', restartAfterMs: number): Promise<void>
  /** Pauses the process with SIGSTOP, so that it may resume with a lease that another process has claimed. */
  freeze(ms: number): Promise<void>
}

/** All processes; each is replaced when it ends, as a host would do. */
export interface Processes {
  slots: readonly ProcessSlot[]
  /** Returns the number of processes that ended with an uncaught error. */
  crashes(): Promise<number>
}

interface ProcessesOptions {
  children: Children
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
  pause: (ms: number) => Promise<void>
}

/** Starts every stage and the keeper in processes of their own, some of them with a clock that is an hour off. */
export async function startProcesses(options: ProcessesOptions): Promise<Processes> {
  const logs: string[] = []
  const names = (Object.keys(SIZES) as Role[]).flatMap(role =>
    Array.from({ length: SIZES[role] }, (_, index) => ({ role, name: `${role}-${index + 1}` })),
  )
  const slots = await Promise.all(
    names.map(({ role, name }, place) =>
      startSlot(role, name, { ...options, skewMs: SKEWS_MS[place % SKEWS_MS.length] ?? 0 }, logs),
    ),
  )
  return {
    slots,
    async crashes() {
      const crashed = await Promise.all([...new Set(logs)].flatMap(log => CRASHED.map(text => logHolds(log, text))))
      return crashed.filter(Boolean).length
    },
  }
}

async function startSlot(
  role: Role,
  name: string,
  { children, environment, signal, pause, skewMs }: ProcessesOptions & { skewMs: number },
  logs: string[],
): Promise<ProcessSlot> {
  let restartAfterMs = RESTART_MS
  let busy = false
  let child: Child | undefined
  let started: () => void = () => undefined

  const start = async () => {
    const words = [
      process.execPath,
      '--import',
      `${SKEW}?ms=${skewMs}`,
      MAIN,
      ...(role === 'keeper' ? [role] : ['stage', role]),
    ] as const
    child = await children.start(name, words, environment)
    logs.push(child.log)
    started()
    return child
  }
  // A process that finds no Redis at startup logs that and ends, as intended; its host restarts it.
  const replace = async (first: Child) => {
    for (let current = first; !signal.aborted; current = await start()) {
      await current.ended
      child = undefined
      await pause(restartAfterMs)
      if (signal.aborted) return
    }
  }
  replace(await start()).catch(() => undefined)

  return {
    name,
    idle: () => (busy ? undefined : child),
    async end(how, afterMs) {
      const back = new Promise<void>(resolve => {
        started = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      busy = true
      restartAfterMs = afterMs
      child?.send(how)
      await back
      restartAfterMs = RESTART_MS
      busy = false
    },
    async freeze(ms) {
      busy = true
      child?.send('SIGSTOP')
      await pause(ms)
      child?.send('SIGCONT')
      busy = false
    },
  }
}
