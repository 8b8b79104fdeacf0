import { setTimeout as wait } from 'node:timers/promises'
import { deliverRepeatedly } from '../push-retry.ts'
import type { Signer } from '../signing.ts'
import type { PushSettings, PushTarget } from './push-settings.ts'

/** The counts of notifications by result. */
export interface PushCounts {
  published: number
  /** Not published, because the mailbox had one within the last second. */
  tooSoon: number
  /** Lost because of `dropNext`. */
  dropped: number
  /** Accepted with a 2xx. */
  delivered: number
  /** Attempts that were refused. */
  refused: number
  /** Expired after many attempts. */
  expired: number
  pending: number
}

/** A Pub/Sub topic with one push subscription. */
export interface Pushes {
  /** Changes the given settings and keeps the rest. */
  set(settings: PushSettings): void
  read(): PushSettings
  counts(): PushCounts
  /** Publishes JSON to a topic, and pushes it until it is accepted. */
  publish(topic: string, data: object): void
  noteTooSoon(): void
}

const ISSUER = 'https://accounts.google.com'
const SERVICE_ACCOUNT = 'gmail-push@simulated.iam.gserviceaccount.com'
const TOKEN_SECONDS = 3600
// cloud.google.com/pubsub/docs/push
const ACK_DEADLINE_MS = 10_000
const MAX_ATTEMPTS = 50
const FIRST_MESSAGE_ID = 11_000_000_000_000

/**
 * Creates pushes without a target. `speed` shortens delays and backoff; nothing is pushed after `closing`
 * aborts.
 */
export function createPushes(options: {
  signer: Signer
  now: () => number
  speed: number
  closing: AbortSignal
}): Pushes {
  const { signer, now, speed, closing } = options
  const counts: PushCounts = { published: 0, tooSoon: 0, dropped: 0, delivered: 0, refused: 0, expired: 0, pending: 0 }
  let settings: PushSettings = {}

  const push = async (body: string) => {
    await wait((settings.delayMs ?? 0) / speed, undefined, { signal: closing })
    await deliverRepeatedly(() => post(body), { mostAttempts: MAX_ATTEMPTS, speed, closing, counts })
  }

  const post = async (body: string) => {
    if (!settings.to) return true
    const { url } = settings.to
    const token = await signer.sign(pushClaims(settings.to, now()))
    const signal = AbortSignal.any([closing, AbortSignal.timeout(ACK_DEADLINE_MS)])
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'user-agent': 'CloudPubSub-Google',
    }
    try {
      const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
      // Only the status counts.
      await answer.body?.cancel()
      return answer.ok
    } catch {
      return false
    }
  }

  const start = (body: string) => {
    counts.pending += 1
    push(body)
      // Only the end of the simulator stops a push.
      .catch(() => undefined)
      .finally(() => {
        counts.pending -= 1
      })
  }

  return {
    set(next) {
      settings = { ...settings, ...next }
    },
    read: () => settings,
    counts: () => ({ ...counts }),
    publish(topic, data) {
      counts.published += 1
      if (!settings.to) return
      if (settings.dropNext) {
        settings = { ...settings, dropNext: settings.dropNext - 1 }
        counts.dropped += 1
        return
      }
      const message = {
        data: Buffer.from(JSON.stringify(data)).toString('base64'),
        messageId: String(FIRST_MESSAGE_ID + counts.published),
        publishTime: new Date(now()).toISOString(),
      }
      const body = JSON.stringify({ message, subscription: subscriptionOf(topic) })
      start(body)
      if (!settings.duplicateNext) return
      settings = { ...settings, duplicateNext: settings.duplicateNext - 1 }
      start(body)
    },
    noteTooSoon() {
      counts.tooSoon += 1
    },
  }
}

/** Returns the claims of a push's token, as Pub/Sub sets them. */
export function pushClaims({ url, audience = url, serviceAccount = SERVICE_ACCOUNT }: PushTarget, nowMs: number) {
  const seconds = Math.floor(nowMs / 1000)
  return {
    aud: audience,
    azp: '113774264463038321964',
    email: serviceAccount,
    email_verified: true,
    exp: seconds + TOKEN_SECONDS,
    iat: seconds,
    iss: ISSUER,
    sub: '113774264463038321964',
  }
}

function subscriptionOf(topic: string): string {
  return `${topic.replace('/topics/', '/subscriptions/')}-push`
}
