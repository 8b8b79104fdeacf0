import { Agent, request } from 'node:http'
import { addressOf, type MailboxId } from '../../shared/mailbox.ts'
import { percentile } from '../many/percentile.ts'
import type { Google } from './google.ts'

/** How genuine pushes were met. */
export interface Met {
  pushes: number
  /** Those that were not answered with 204 or 202. */
  refused: number
  p50: number
  p99: number
  slowest: number
}

/** What genuine pushes are made of. */
export interface Genuine {
  url: string
  google: Google
  mailbox: MailboxId
  subscriptionId: string
  clientState: string
}

const EVERY_MS = 50

let count = 0

/** Sends a push of Gmail's and a notification of Graph's in turn, twenty a second, for so long; each over a connection that is kept. */
export async function sendGenuine(genuine: Genuine, forMs: number, pause: (ms: number) => Promise<void>): Promise<Met> {
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
    const asked = request({ host: hostname, port, path, method: 'POST', headers, agent })
    asked.on('response', answer => answer.resume().on('end', () => done(answer.statusCode)))
    asked.on('error', () => done())
    asked.end(body)
  })
}

function pushOf({ google, mailbox }: Genuine, n: number): Post {
  const said = JSON.stringify({ emailAddress: addressOf(mailbox), historyId: 1000 + n })
  const message = { data: Buffer.from(said).toString('base64'), messageId: `bench-${n}` }
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
