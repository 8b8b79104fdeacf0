import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../pipeline/main.js', import.meta.url))

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

/** Parses the JSON object on the last line of a command's output. */
export function lastJson(finished: Finished): Record<string, unknown> {
  const last = finished.stdout.trim().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(last) as Record<string, unknown>
  } catch {
    throw new Error(`no JSON on the last line; exit code ${finished.code}; stderr: ${finished.stderr.slice(-2000)}`)
  }
}
