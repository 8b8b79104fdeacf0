import { fileURLToPath } from 'node:url'
import type { StageName } from '../../shared/stage.ts'
import { type Child, type Children, logHolds } from './children.ts'

const MAIN = fileURLToPath(new URL('../../pipeline/main.js', import.meta.url))
/** What a process does: a stage, or the keeper's duties. */
type Role = StageName | 'keeper'

/** How often each role is there: those that race with one another more than once. */
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
// Of the processes that do the same, one is an hour ahead, or behind, or neither.
const SKEWS_MS = [0, 3_600_000, -3_600_000]
const BACK_MS = 300
// What the process says of itself, and what Node.js says when it cannot even be started.
const CRASHED = ['unexpected error; this process ends', '\nNode.js v']

/** One process, and the next that takes its place whenever it ends. */
export interface Post {
  name: string
  /** The process that serves now; `undefined` between two, and while something is done to it already. */
  idle(): Child | undefined
  /** Ends it with a signal; the next starts after a pause. Resolves once it has. */
  end(signal: 'SIGKILL' | 'SIGTERM', restartAfterMs: number): Promise<void>
  /** Stops it in its tracks for a while, so that it comes back with a lease that may be another's. */
  freeze(ms: number): Promise<void>
}

/** All processes, each replaced when it ends, as a host would. */
export interface Crew {
  posts: readonly Post[]
  /** How many ended by an error that nobody caught. */
  crashes(): Promise<number>
}

interface CrewOptions {
  children: Children
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
  pause: (ms: number) => Promise<void>
}

/** Starts every stage and the keeper as processes of their own, some of them with a clock that is an hour wrong. */
export async function startCrew(options: CrewOptions): Promise<Crew> {
  const logs: string[] = []
  const names = (Object.keys(SIZES) as Role[]).flatMap(role =>
    Array.from({ length: SIZES[role] }, (_, index) => ({ role, name: `${role}-${index + 1}` })),
  )
  const posts = await Promise.all(
    names.map(({ role, name }, place) =>
      startPost(role, name, { ...options, skewMs: SKEWS_MS[place % SKEWS_MS.length] ?? 0 }, logs),
    ),
  )
  return {
    posts,
    async crashes() {
      const crashed = await Promise.all([...new Set(logs)].flatMap(log => CRASHED.map(text => logHolds(log, text))))
      return crashed.filter(Boolean).length
    },
  }
}

async function startPost(
  role: Role,
  name: string,
  { children, environment, signal, pause, skewMs }: CrewOptions & { skewMs: number },
  logs: string[],
): Promise<Post> {
  let restartAfterMs = BACK_MS
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
  // A process that finds no Redis when it starts says so and ends, as it should: whoever runs it starts it again.
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
      restartAfterMs = BACK_MS
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
