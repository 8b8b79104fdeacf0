import { Agent, request } from 'node:http'
import { addressOf, type MailboxId } from '../../shared/mailbox.ts'
import { percentile } from '../many/percentile.ts'
import type { Google } from './google.ts'

/** The latencies of genuine pushes, in ms. */
export interface PushFigures {
  pushes: number
  /** Pushes that were not answered with 204 or 202. */
  refused: number
  p50: number
  p99: number
  slowest: number
}

/** The parameters of genuine pushes. */
export interface Genuine {
  url: string
  google: Google
  mailbox: MailboxId
  subscriptionId: string
  clientState: string
}

const EVERY_MS = 50

let count = 0

/** Sends Gmail pushes and Graph notifications in turn, twenty per second, for `forMs`, over keep-alive connections. */
export async function sendGenuine(
  genuine: Genuine,
  forMs: number,
  pause: (ms: number) => Promise<void>,
): Promise<PushFigures> {
  const agent = new Agent({ keepAlive: true, maxSockets: 10 })
  const tookMs: number[] = []
  let refused = 0
  const sending: Promise<void>[] = []
  const until = performance.now() + forMs
  while (performance.now() < until) {
    count += 1
    const post = count % 2 === 0 ? pushOf(genuine, count) : notificationOf(genuine, count)
    sending.push(
      send(genuine.url, post, agent).then(({ isAccepted, ms }) => {
        tookMs.push(ms)
        if (!isAccepted) refused += 1
      }),
    )
    await pause(EVERY_MS)
  }
  await Promise.all(sending)
  agent.destroy()
  const at = (share: number) => round(percentile(tookMs, share))
  return { pushes: tookMs.length, refused, p50: at(0.5), p99: at(0.99), slowest: at(1) }
}

interface Post {
  path: string
  body: string
  headers: Record<string, string>
}

function send(url: string, { path, body, headers }: Post, agent: Agent): Promise<{ isAccepted: boolean; ms: number }> {
  const { hostname, port } = new URL(url)
  const since = performance.now()
  return new Promise(resolve => {
    const done = (status = 0) =>
      resolve({ isAccepted: status === 204 || status === 202, ms: performance.now() - since })
    const sending = request({ host: hostname, port, path, method: 'POST', headers, agent })
    sending.on('response', answer => answer.resume().on('end', () => done(answer.statusCode)))
    sending.on('error', () => done())
    sending.end(body)
  })
}

function pushOf({ google, mailbox }: Genuine, n: number): Post {
  const notification = JSON.stringify({ emailAddress: addressOf(mailbox), historyId: 1000 + n })
  const message = { data: Buffer.from(notification).toString('base64'), messageId: `bench-${n}` }
  return post('/gmail/push', { message }, { authorization: google.bearer })
}

function notificationOf({ subscriptionId, clientState }: Genuine, n: number): Post {
  const resourceData = { '@odata.etag': `W/"${n}"`, id: 'AAMk1' }
  return post('/outlook/notifications', {
    value: [{ subscriptionId, clientState, changeType: 'updated', resourceData }],
  })
}

function post(path: string, value: object, more: Record<string, string> = {}): Post {
  const body = JSON.stringify(value)
  return { path, body, headers: { 'content-type': 'application/json', 'content-length': `${body.length}`, ...more } }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
