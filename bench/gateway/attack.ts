import { setMaxListeners } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { sleep } from '../../pipeline/base/wait.ts'

/** The target of hostile clients, and a signal that ends them. */
export interface Attack {
  url: string
  /** The number of concurrent connections; the ways of attack take turns. */
  connections: number
  signal: AbortSignal
}

/** The number of answers by way of attack and status; `closed` counts cut connections. */
export type Answers = Record<string, Record<string, number>>

type Status = number | 'closed'
type Way = (target: URL, signal: AbortSignal) => Promise<Status>

const MIB = 1024 * 1024
const TRICKLE_MS = 100
const GIVE_UP_MS = 30_000

const zeros = `{"value":[${'0,'.repeat(MIB / 2 - 10)}0]}`
const forgedMany = JSON.stringify({ value: Array.from({ length: 1000 }, (_, n) => forged(`nobody-${n}`)) })
const forgedOne = JSON.stringify({ value: [forged('nobody')] })
const tooMany = JSON.stringify({ value: Array.from({ length: 1001 }, () => null) })
const deep = `{"value":${'['.repeat(MIB / 2)}`

const WAYS: Readonly<Record<string, Way>> = {
  'slow body': trickled('POST /outlook/notifications HTTP/1.1\r\nhost: a\r\ncontent-length: 800000\r\n\r\n'),
  'slow head': trickled('POST /gmail/push HTTP/1.1\r\n'),
  'big array': posted('/outlook/notifications', zeros),
  'thousand forged': posted('/outlook/lifecycle', forgedMany),
  'forged token': posted('/gmail/push', '{}', `Bearer ${token()}`),
  'forged notification': posted('/outlook/notifications', forgedOne),
  'too many items': posted('/outlook/notifications', tooMany),
  'deep body': posted('/outlook/notifications', deep),
  'no such place': posted('/somewhere', zeros),
  garbage: posted('/gmail/push', zeros, 'Bearer garbage'),
}

/** Attacks a gateway in ten ways at once until the signal is aborted. */
export async function attack({ url, connections, signal }: Attack): Promise<Answers> {
  const target = new URL(url)
  // Each connection listens to the signal.
  setMaxListeners(0, signal)
  const answers: Answers = Object.fromEntries(Object.keys(WAYS).map(name => [name, {}]))
  const ways = Object.entries(WAYS)
  const attackers = Array.from({ length: connections }, async (_, n) => {
    const [name, way] = ways[n % ways.length] ?? ['', async () => 'closed' as const]
    const counts = answers[name] ?? {}
    while (!signal.aborted) {
      const status = await way(target, signal)
      if (!signal.aborted || status !== 'closed') counts[status] = (counts[status] ?? 0) + 1
    }
  })
  await Promise.all(attackers)
  return answers
}

function posted(path: string, body: string, authorization?: string): Way {
  return ({ hostname, port }, signal) =>
    new Promise(resolve => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(authorization ? { authorization } : {}),
      }
      const sending = request({ host: hostname, port, path, method: 'POST', headers, agent: false, signal })
      sending.setTimeout(GIVE_UP_MS, () => sending.destroy())
      sending.on('response', answer => {
        answer.resume()
        sending.destroy()
        resolve(answer.statusCode ?? 'closed')
      })
      sending.on('error', () => resolve('closed')).on('close', () => resolve('closed'))
      sending.end(body)
    })
}

function trickled(head: string): Way {
  return ({ hostname, port }, signal) =>
    new Promise(resolve => {
      const socket = connect(Number(port), hostname)
      const timer = setInterval(() => socket.write('a'), TRICKLE_MS)
      const stop = () => socket.destroy()
      signal.addEventListener('abort', stop)
      let status: Status = 'closed'
      socket.on('data', chunk => {
        status = Number(/^HTTP\/1\.1 (\d{3})/.exec(chunk.toString('latin1'))?.[1]) || status
      })
      socket.on('end', stop).on('error', stop)
      socket.on('close', () => {
        clearInterval(timer)
        signal.removeEventListener('abort', stop)
        resolve(status)
      })
      socket.write(head)
      void sleep(GIVE_UP_MS, signal).then(stop)
    })
}

// The token has the length of a real one and an unknown key.
function token(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: 'https://accounts.google.com',
    aud: 'somebody',
    email: 'a@example.com',
    iat: now,
    exp: now + 60,
  }
  return `${part({ alg: 'RS256', kid: 'forged', typ: 'JWT' })}.${part(claims)}.${Buffer.alloc(256, 7).toString('base64url')}`
}

function forged(subscriptionId: string): object {
  const id = 'AAMkAGVmMDEzMTM4LTZmYWUtNDdkNC1hMDZiLTU1OGY5OTZhYmY4OABGAAAA'
  return {
    subscriptionId,
    subscriptionExpirationDateTime: '2026-12-30T09:30:00.0000000Z',
    clientState: 'x'.repeat(43),
    changeType: 'created',
    resource: `Users/1f0c/Messages/${id}`,
    tenantId: '84bd8158-6d4d-4958-8b9f-9d6445542f95',
    resourceData: { '@odata.type': '#Microsoft.Graph.Message', '@odata.etag': 'W/"1"', id },
  }
}
