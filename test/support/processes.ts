import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../pipeline/main.js', import.meta.url))
const SERVER = fileURLToPath(new URL('./command-server.js', import.meta.url))

/** The output and exit of a finished command. */
export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** A mailsluice process of a test. */
export interface Process {
  pid: number
  stdout(): string
  stderr(): string
  kill(signal: NodeJS.Signals): void
  exited: Promise<Finished>
}

/** Starts `mailsluice …words` with only these variables and PATH. */
export function start(words: readonly string[], environment: Record<string, string>): Process {
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', chunk => {
    stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    stderr += chunk
  })
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: signal => void child.kill(signal),
    exited: once(child, 'close').then(([code]) => ({ code, stdout, stderr })),
  }
}

/** Runs `mailsluice …words` to its end; killed after `deadlineMs`. */
export async function run(
  words: readonly string[],
  environment: Record<string, string>,
  deadlineMs = 60_000,
): Promise<Finished> {
  const running = start(words, environment)
  const timer = setTimeout(() => running.kill('SIGKILL'), deadlineMs)
  return running.exited.finally(() => clearTimeout(timer))
}

let server: CommandServer | undefined

/**
 * Runs a command as `run` does, but in one process that serves a test file, command after command: a start takes longer than most
 * commands. With `visits` it opens the page that the command prints, as a browser does. Cannot be signalled.
 */
export function inTurn(
  words: readonly string[],
  environment: Record<string, string>,
  { visits = false }: { visits?: boolean } = {},
): Promise<Finished> {
  server ??= startCommandServer()
  return server({ words, environment: { PATH: process.env.PATH ?? '', ...environment }, visits })
}

/** Parses the JSON object on the last line of a command's output. */
export function lastJson(finished: Finished): Record<string, unknown> {
  const last = finished.stdout.trim().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(last) as Record<string, unknown>
  } catch {
    throw new Error(`no JSON on the last line; exit code ${finished.code}; stderr: ${finished.stderr.slice(-2000)}`)
  }
}

/** A command for the server in `command-server.ts`. */
export interface ServedCommand {
  words: readonly string[]
  environment: Record<string, string>
  visits: boolean
}

type CommandServer = (command: ServedCommand) => Promise<Finished>

function startCommandServer(): CommandServer {
  const child = spawn(process.execPath, [SERVER], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  const handles = [child, child.stdin, child.stdout] as unknown as { ref(): void; unref(): void }[]
  let last: Promise<unknown> = Promise.resolve()
  // Between commands it keeps the test file from nothing, and it ends when its stdin does.
  for (const handle of handles) handle.unref()

  const answer = async (command: ServedCommand) => {
    for (const handle of handles) handle.ref()
    child.stdin.write(`${JSON.stringify(command)}\n`)
    const { value, done } = await answers.next()
    for (const handle of handles) handle.unref()
    if (done) throw new Error(`the command server ended before it answered ${command.words.join(' ')}`)
    return JSON.parse(value) as Finished
  }
  return command => {
    const answered = last.then(() => answer(command))
    last = answered.catch(() => undefined)
    return answered
  }
}
