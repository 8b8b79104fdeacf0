import { Worker } from 'node:worker_threads'
import type { HtmlText, HtmlToText } from '../body/html-text.ts'
import { MailError } from '../error.ts'
import { MACHINE, type Machine, type Timer } from '../machine.ts'
import { PAGE_LIMITS } from './limits.ts'
import { createPageQueue } from './page-queue.ts'

/** Pages for the thread, which answers each with an `HtmlText`, in this order. */
export interface ThreadRequest {
  pages: string[]
}

/** The thread's first message, once it has loaded the parser. */
export const READY = 'ready'

/** Converts pages in a thread of its own. */
export interface HtmlReader {
  /** See `HtmlToText`. Rejects only where the thread cannot start, or once the reader is closed. */
  htmlToText: HtmlToText
  /** Ends the thread, and rejects pages without an answer. */
  close(): Promise<void>
}

/** The limits of a reader, and its surroundings. */
export interface ReaderOptions {
  machine?: Machine
  /** How long one page may take, in ms. */
  deadlineMs?: number
  /** How long the thread stays without work, in ms. */
  idleMs?: number
  program?: URL
}

const PROGRAM = new URL('./thread.js', import.meta.url)
const DEADLINE_MS = 5000
const IDLE_MS = 60_000
// A busy machine takes seconds to load a parser.
const START_MS = 60_000
const MOST_SENT = 2 * PAGE_LIMITS.source
// The sent pages, and what one of them takes at worst.
const MEMORY = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 4 }

/**
 * Creates a reader. Its thread starts with the first page, and ends after a minute without one. Pages that are requested together are sent
 * together. A page that takes too long or too much memory is answered with a note; the thread is replaced, and no other page is lost.
 */
export function createHtmlReader(options: ReaderOptions = {}): HtmlReader {
  const { machine = MACHINE, deadlineMs = DEADLINE_MS, idleMs = IDLE_MS, program = PROGRAM } = options
  const queue = createPageQueue(MOST_SENT)
  let thread: Thread | undefined
  let isDue = false
  let isClosed = false

  function send(): void {
    isDue = false
    const wasBusy = queue.isBusy()
    const pages = queue.take()
    if (pages.length === 0) return
    thread ??= open()
    thread.send(pages)
    if (!wasBusy && thread.isReady) watch(thread)
  }

  function open(): Thread {
    const opened = openThread(program, machine)
    opened.limit(START_MS, () => fail('it took too long'))
    opened.onMessage = text => {
      if (text) queue.answer(text)
      send()
      watch(opened)
    }
    opened.onError = error => (opened.isReady ? skip('this page takes too much memory') : fail(error.message))
    return opened
  }

  // The thread works on the oldest of the sent pages.
  function watch(watched: Thread): void {
    watched.keepProcess(queue.isBusy())
    if (queue.isBusy()) watched.limit(deadlineMs, () => skip(`this page takes more than ${deadlineMs} ms to read`))
    else watched.limit(idleMs, () => void end())
  }

  function skip(note: string): void {
    void end()
    queue.answer({ text: '', hidden: 0, isPart: true, note })
    queue.takeBack()
    send()
  }

  function fail(why: string): void {
    void end()
    queue.rejectAll(unavailable(`the thread that converts HTML did not start: ${why}`))
  }

  async function end(): Promise<void> {
    const ended = thread
    thread = undefined
    await ended?.end()
  }

  return {
    htmlToText: html =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(unavailable('this process stops, so it converts no more HTML'))
        // One more character than is read tells the thread that the page goes on.
        queue.add({ page: html.slice(0, PAGE_LIMITS.source + 1), resolve, reject })
        if (!isDue) queueMicrotask(send)
        isDue = true
      }),
    async close() {
      isClosed = true
      queue.rejectAll(unavailable('this process stops, so it converts no more HTML'))
      await end()
    },
  }
}

interface Thread {
  isReady: boolean
  /** Called once it is ready, and with each answer. */
  onMessage(text?: HtmlText): void
  onError(error: Error): void
  send(pages: string[]): void
  /** Decides whether the process waits for the thread. */
  keepProcess(isBusy: boolean): void
  /** Calls `over` after `ms`, unless a new limit comes first. */
  limit(ms: number, over: () => void): void
  end(): Promise<void>
}

function openThread(program: URL, machine: Machine): Thread {
  const worker = new Worker(program, { execArgv: [], resourceLimits: MEMORY, stdout: true, stderr: true })
  let timer: Timer | undefined
  let isEnded = false
  const thread: Thread = {
    isReady: false,
    onMessage: () => undefined,
    onError: () => undefined,
    send: pages => worker.postMessage({ pages } satisfies ThreadRequest),
    keepProcess: isBusy => (isBusy ? worker.ref() : worker.unref()),
    limit(ms, over) {
      timer?.cancel()
      timer = machine.after(ms, over)
      timer.unref()
    },
    async end() {
      isEnded = true
      timer?.cancel()
      await worker.terminate()
    },
  }
  worker.on('message', (message: HtmlText | typeof READY) => {
    if (isEnded) return
    const text = message === READY ? undefined : message
    thread.isReady = true
    thread.onMessage(text)
  })
  worker.on('error', error => {
    if (!isEnded) thread.onError(error)
  })
  return thread
}

function unavailable(message: string): MailError {
  return new MailError('unavailable', message, { isOurs: true })
}
