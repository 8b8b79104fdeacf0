import { createHash, createHmac } from 'node:crypto'
import { webhookKey } from '../settings/webhook.ts'

const ID_DIGITS = 40

/** Returns the id of a task's message: the same in every attempt and process, and without anything of the key, which holds an address. */
export function messageIdOf(taskKey: string): string {
  return `msg_${createHash('sha256').update(taskKey).digest('hex').slice(0, ID_DIGITS)}`
}

/** Returns the headers of Standard Webhooks 1.0 for a body, with a signature for each secret; `now` is in ms since 1970. */
export function signedHeaders(message: { id: string; now: number; body: string; secrets: readonly string[] }) {
  const { id, now, body, secrets } = message
  const timestamp = String(Math.floor(now / 1000))
  const signatures = secrets.map(secret => {
    const signature = createHmac('sha256', webhookKey(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')
    return `v1,${signature}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
