import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { openApp } from '../../pipeline/base/app.ts'
import { abortOnSignals } from '../../pipeline/base/lifecycle.ts'
import { sleep } from '../../pipeline/base/wait.ts'
import { startStages } from '../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Call, Wanted } from '../../shared/mailbox.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { until } from '../support/until.ts'
import { keepLog } from './support.ts'

/**
 * The behaviour of a worker's provider: it answers, never answers, answers after a while, blocks the whole process for that time, kills the
 * process at a certain message, fails for a certain message alone, rate-limits, or fails some time after a stop.
 */
export type Provider =
  | 'answers'
  | 'silent'
  | { afterMs: number }
  | { busyMs: number }
  | { diesOf: string }
  | { failsOf: string }
  | { throttledMs: number }
  | { failsAfterStopMs: number }

interface Task {
  settings: Record<string, string>
  url: string
  /** The content of its mailbox; must equal that of the other stages' mailbox. */
  messages: number
  threads: number
  provider: Provider
  /** When the behaviour takes effect: before the request, or after the answer. */
  shows: 'before' | 'after'
}

/** A batch-fetch stage in its own process. */
export interface Worker {
  pid: number
  /** Calls to its provider, and the answers. */
  asked(): number
  answered(): number
  /** Returns its log lines. */
  said(): readonly string[]
  /** Changes the provider's behaviour; a silent call is answered. */
  turn(provider: Provider): void
  kill(signal: NodeJS.Signals): void
  /** Resolves with its exit code; `null` when a signal ended it. */
  exited: Promise<number | null>
}

const here = fileURLToPath(import.meta.url)

/** Starts batch-fetch in its own process. SIGTERM stops it gracefully within DRAIN_MS; the end of the test kills it. */
export async function startWorker(
  t: Test,
  task: Omit<Task, 'provider' | 'shows'> & { provider?: Provider; shows?: Task['shows'] },
): Promise<Worker> {
  const words = JSON.stringify({ provider: 'answers', shows: 'before', ...task })
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, here, words], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const heard: string[] = []
  child.on('message', message => heard.push(String(message)))
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const count = (word: string) => heard.filter(one => one === word).length
  await until(() => count('ready') === 1, 'the worker is ready')
  return {
    pid: child.pid ?? 0,
    asked: () => count('asked'),
    answered: () => count('answered'),
    said: () => heard,
    turn: provider => void child.send(provider),
    kill: signal => void child.kill(signal),
    exited,
  }
}

function failing(provider: Provider): string {
  return typeof provider === 'object' && 'failsOf' in provider ? provider.failsOf : ''
}

if (process.argv[1] === here) await work(JSON.parse(process.argv[2] ?? '') as Task)

async function work(task: Task): Promise<void> {
  let { provider } = task
  let waiting: (() => void)[] = []
  process.on('message', message => {
    provider = message as Provider
    for (const goOn of waiting) goOn()
    waiting = []
  })
  const tell = (word: string) => void process.send?.(word)
  const signal = abortOnSignals(tell)
  const mailbox = fakeMailbox()
  mailbox.deliver(task.messages, task.threads)
  const { fetch } = mailbox
  mailbox.fetch = async (wanted, call) => {
    tell('asked')
    if (task.shows === 'before') await behave(wanted, call)
    const answer = new Map(await fetch(wanted, call))
    const sick = failing(provider)
    if (wanted.some(({ id }) => id === sick))
      answer.set(sick, { outcome: 'failed', error: new MailError('unavailable', 'HTTP 500') })
    tell('answered')
    if (task.shows === 'after') await behave(wanted, call)
    return answer
  }

  const config = readConfig(task.settings)
  const app = await openApp(config, task.url)
  const { log } = keepLog(tell)
  const stages = startStages([batchFetch], app, { mailboxes: () => mailbox, log: { ...log, child: () => log } })
  tell('ready')
  if (!signal.aborted) await once(signal, 'abort')
  await stages.stop(config.DRAIN_MS)
  process.exit(0)

  async function behave(wanted: readonly Wanted[], { signal: stopped, meter }: Call): Promise<void> {
    while (provider === 'silent') {
      await new Promise<void>(resolve => waiting.push(resolve))
    }
    const now = provider
    if (now === 'answers' || 'failsOf' in now) return
    if ('afterMs' in now) return sleep(now.afterMs)
    if ('diesOf' in now) {
      if (wanted.some(({ id }) => id === now.diesOf)) process.kill(process.pid, 'SIGKILL')
      return
    }
    if ('throttledMs' in now) {
      meter('batch', 0)
      throw new MailError('throttled', 'HTTP 429', { retryAfterMs: now.throttledMs })
    }
    if ('failsAfterStopMs' in now) {
      if (!stopped.aborted) await once(stopped, 'abort')
      await sleep(now.failsAfterStopMs)
      throw new Error('what was asked for has come to nothing')
    }
    provider = 'answers'
    for (const end = performance.now() + now.busyMs; performance.now() < end; );
  }
}
