import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { MailError } from '../../../shared/error.ts'
import type { Machine } from '../../../shared/machine.ts'
import { sleep } from '../../base/wait.ts'
import { type Outcome, pageOf } from './page.ts'

/** A server on this machine to which the browser returns from the provider. */
export interface Loopback {
  redirectUri: string
  /**
   * Returns the provider's code for the consent; the browser then waits for `finish`. Throws `unauthorized` when the person refused, and
   * `unavailable` when no answer came in time or the wait was aborted.
   */
  code(): Promise<string>
  /** Shows the person in the browser how it ended. */
  finish(outcome: Outcome): void
  close(): Promise<void>
}

interface LoopbackOptions {
  /** The name of this machine in the redirect. */
  host: '127.0.0.1' | 'localhost'
  /** The port to listen on; 0 takes a free one. */
  port: number
  /** The state that only an answer to our question carries. */
  state: string
  timeoutMs: number
  signal: AbortSignal
  machine: Machine
  /** Returns what the person can do about an error that the browser returns with. */
  remedyOf?: (error: string, description: string) => string | undefined
}

const LAST_PAGE_MS = 1000

// The code in the address must not leak, and the page needs nothing from outside.
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'referrer-policy': 'no-referrer',
}

/** Listens on 127.0.0.1 for one answer with the right state; refuses any other, without effect. Throws `misconfigured` when the port is taken. */
export async function listenForConsent(options: LoopbackOptions): Promise<Loopback> {
  const { host, port, state, timeoutMs, signal, remedyOf, machine } = options
  const app = fastify({ forceCloseConnections: true })
  const code = promised<string>()
  const ending = promised<Outcome>()
  let answered = false
  let sent: Promise<unknown> = Promise.resolve()
  const minutes = Math.max(1, Math.round(timeoutMs / 60_000))
  const abandon = (why: string) => code.reject(new MailError('unavailable', `the mailbox was not connected: ${why}`))
  const timer = machine.after(timeoutMs, () =>
    abandon(`nobody gave consent within ${minutes} min; run the command again`),
  )
  const onAbort = () => abandon('stopped')
  signal.addEventListener('abort', onAbort, { once: true })

  app.get('/', { exposeHeadRoute: false }, async (request, reply) => {
    reply.headers(HEADERS).type('text/html; charset=utf-8')
    const query = new URL(request.url, 'http://127.0.0.1').searchParams
    if (!isSame(query.get('state') ?? '', state) || answered) {
      return reply.code(400).send(pageOf({ ok: false, text: 'mailsluice is not waiting for this answer.' }))
    }
    answered = true
    sent = once(reply.raw, 'close')
    const given = query.get('code')
    if (given) code.resolve(given)
    else code.reject(refusal(query, remedyOf))
    const outcome = await ending.promise
    return reply.code(outcome.ok ? 200 : 400).send(pageOf(outcome))
  })

  await app.listen({ host: '127.0.0.1', port }).catch((error: NodeJS.ErrnoException) => {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
    throw new MailError('misconfigured', `cannot listen on port ${port} (${error.code}): choose another with --port`)
  })
  return {
    redirectUri: `http://${host}:${(app.server.address() as AddressInfo).port}`,
    code: () => code.promise,
    finish: ending.resolve,
    async close() {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      ending.resolve({ ok: false, text: 'The mailbox was not connected.' })
      // The person's page must arrive before connections are cut.
      await Promise.race([sent, sleep(LAST_PAGE_MS, undefined, machine)])
      await app.close()
    },
  }
}

function promised<T>() {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  // A rejection may come while nobody awaits the promise.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function refusal(query: URLSearchParams, remedyOf: LoopbackOptions['remedyOf']): MailError {
  const reason = query.get('error') ?? ''
  const said = /^\w{1,60}$/.test(reason) ? ` (${reason})` : ''
  const remedy = remedyOf?.(reason, query.get('error_description') ?? '') ?? 'run the command again'
  return new MailError('unauthorized', `the mailbox was not connected: access was not granted${said}; ${remedy}`)
}
