import { createHash } from 'node:crypto'
import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call, Watch } from '../mailbox.ts'
import type { SubscriptionMemory } from '../provider/subscription.ts'
import type { GraphClient } from './client.ts'
import { errorOf } from './errors.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { readBody } from './read.ts'

/** The destinations of Graph's notifications and lifecycle events, and the clientState that proves them. */
export interface Notifying {
  notificationUrl: string
  lifecycleUrl: string
  clientState: string
}

interface WatchOptions {
  name: string
  client: GraphClient
  /** The owner's path: `/me`, or `/users/{id}` with application permissions. */
  user: string
  memory: SubscriptionMemory
  now: () => number
}

// learn.microsoft.com/graph/api/resources/subscription#subscription-lifetime: at most 10,080 minutes, by
// Graph's clock.
const LASTS_MS = 10_080 * 60_000
const CLOCKS_APART_MS = 10 * 60_000

const answered = z.object({
  id: z.string().min(1).max(200),
  expirationDateTime: z
    .string()
    .transform(text => Date.parse(text))
    .pipe(z.number()),
})
const graphError = z.object({ error: z.object({ code: z.string() }) })

/**
 * Subscribes to changes of any message, for seven days. A later call extends it by seven days from then on
 * and reauthorises it (learn.microsoft.com/graph/change-notifications-lifecycle-events). A new subscription
 * is created if none is stored, if the stored one has other addresses or another clientState, or, by a second
 * request, if Graph has lost it. Its id is stored before this returns. During creation, Graph calls the
 * gateway to validate it.
 */
export async function watchMailbox(options: WatchOptions, notify: Notifying | undefined, call: Call): Promise<Watch> {
  const { name, client, user, memory, now } = options
  const doing = `subscription of ${name}`
  if (!notify) throw new MailError('misconfigured', `${doing}: no address is set; set OUTLOOK_NOTIFICATION_URL`)
  const sending = { doing, call, kind: 'watch', units: 1 } as const
  const expirationDateTime = new Date(now() + LASTS_MS - CLOCKS_APART_MS).toISOString()
  const terms = termsOf(notify, user)

  const known = await memory.read()
  if (known?.terms === terms) {
    const url = pathOf(known.id)
    const answer = await client.ask(sending, { method: 'PATCH', url, body: { expirationDateTime } })
    if (answer.status === 200) return { expiresAt: readBody(answered, answer, doing).expirationDateTime }
    if (!isGone(answer)) throw errorOf(answer, doing, { now })
  }

  const { notificationUrl, lifecycleUrl: lifecycleNotificationUrl, clientState } = notify
  const order = { changeType: 'created,updated,deleted', notificationUrl, lifecycleNotificationUrl, clientState }
  const answer = await client.ask(sending, {
    method: 'POST',
    url: '/subscriptions',
    headers: { prefer: IMMUTABLE_IDS },
    body: { ...order, resource: `${user}/messages`, expirationDateTime },
  })
  if (answer.status !== 201) throw withRemedy(errorOf(answer, doing, { now }), answer.status)
  const made = readBody(answered, answer, doing)
  await memory.write({ id: made.id, terms })
  return { expiresAt: made.expirationDateTime, recreated: true }
}

/** Ends the subscription. A subscription that no longer exists counts as ended. */
export async function stopWatching({ name, client, memory, now }: WatchOptions, call: Call): Promise<void> {
  const doing = `ending the subscription of ${name}`
  const known = await memory.read()
  if (call.signal.aborted) throw new MailError('unavailable', `${doing}: cancelled before it was sent`)
  if (!known) return
  const sending = { doing, call, kind: 'watch', units: 1 } as const
  const answer = await client.ask(sending, { method: 'DELETE', url: pathOf(known.id) })
  if (answer.status !== 204 && answer.status !== 200 && !isGone(answer)) throw errorOf(answer, doing, { now })
  await memory.write(undefined)
}

// All fields but the expiry are fixed at creation. The digest protects the clientState, which is a secret.
function termsOf({ notificationUrl, lifecycleUrl, clientState }: Notifying, user: string): string {
  const terms = JSON.stringify([notificationUrl, lifecycleUrl, clientState, user])
  return createHash('sha256').update(terms).digest('base64url')
}

function pathOf(id: string): string {
  return `/subscriptions/${encodeURIComponent(id)}`
}

// Graph has several codes for it. A 404 page of a proxy says nothing about the subscription.
function isGone({ status, body }: Answer): boolean {
  return (status === 404 || status === 410) && graphError.safeParse(body).success
}

// Graph calls the gateway before it answers, and reports an unreachable one only as text.
function withRemedy(error: MailError, status: number): MailError {
  if (error.kind !== 'rejected' || status !== 400) return error
  return new MailError(
    'misconfigured',
    `${error.message}; the gateway must be reachable from the internet at OUTLOOK_NOTIFICATION_URL, and answer within ten seconds`,
  )
}
