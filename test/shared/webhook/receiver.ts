import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { SinkCall } from '../../../shared/ai/sink.ts'
import { MailError } from '../../../shared/error.ts'
import { openHttp } from '../../../shared/http/exchange.ts'
import type { LookUp } from '../../../shared/http/pinning.ts'
import { proxiesIn } from '../../../shared/settings/proxies.ts'
import type { Task } from '../../../shared/task/schema.ts'
import { createWebhookSink, type WebhookOptions } from '../../../shared/webhook/sink.ts'

/** One request as a receiver got it. */
export interface Delivery {
  path: string
  headers: Record<string, string>
  body: string
}

type Answer = (response: ServerResponse, delivery: Delivery) => unknown

export const SECRET = `whsec_${Buffer.alloc(32, 'planted').toString('base64')}`
export const PREVIOUS = `whsec_${Buffer.alloc(24, 'earlier').toString('base64')}`

/** Starts a receiver on loopback that answers what `answer` says. */
export async function startReceiver(t: Test, answer: Answer = response => response.end()) {
  const deliveries: Delivery[] = []
  let connections = 0
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks = await request.toArray()
    const delivery = {
      path: request.url ?? '',
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      body: Buffer.concat(chunks).toString(),
    }
    deliveries.push(delivery)
    answer(response, delivery)
  })
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook`, port, deliveries, connections: () => connections, server }
}

/** Opens a sink whose connections end with the test. */
export function openSink(
  t: Test,
  { lookUp, proxies = {}, ...options }: Partial<WebhookOptions> & { lookUp?: LookUp; proxies?: Record<string, string> },
) {
  const http = openHttp(proxiesIn(proxies), lookUp)
  t.teardown(() => http.close())
  return createWebhookSink({ url: '', secrets: [SECRET], allowPrivate: true, http, ...options })
}

/** A call at this machine's time. */
export function callNow(own: Partial<SinkCall> = {}): SinkCall {
  const spending = { reserve: () => Promise.reject(new Error('a webhook costs nothing')) }
  return { signal: new AbortController().signal, attempt: 0, lane: 'live', now: () => Date.now(), spending, ...own }
}

/** A task with one mail. */
export function taskOf(thread = 't0', text = 'The Zanzibar figures are confidential, pin 4711-0815.'): Task {
  return {
    task: `gmail:ana.planted@example.com/${thread}/v1`,
    mailbox: 'gmail:ana.planted@example.com',
    thread,
    version: 'v1',
    subject: 'Budget für Köln',
    participants: [],
    messages: [
      {
        id: 'm0',
        from: [{ name: 'Bo', address: 'bo@example.com' }],
        to: [],
        cc: [],
        date: '2026-11-30T12:00:00.000Z',
        subject: 'Budget für Köln',
        text,
        truncated: false,
      },
    ],
    omitted: [],
    labels: [],
    truncated: false,
    reason: 'new',
    promptVersion: '1',
    budget: { tokens: 8000, used: 10, omitted: 0 },
  }
}

/** Returns the error with which a promise rejects, and fails where it resolves or throws anything else. */
export async function errorOf(promise: Promise<unknown>): Promise<MailError> {
  const thrown: unknown = await promise.then(
    value => new Error(`resolved: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (thrown instanceof MailError) return thrown
  throw thrown
}

/** A clock for pauses that a test turns forward. */
export function turnedClock() {
  let now = 0
  return {
    turn(ms: number) {
      now += ms
    },
    machine: {
      elapsed: () => now,
      after(ms: number, work: () => void) {
        const timer = setTimeout(work, ms)
        return { cancel: () => clearTimeout(timer), unref: () => void timer.unref() }
      },
    },
  }
}
