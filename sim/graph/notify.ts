import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { deliverRepeatedly } from '../push-retry.ts'

/** Settings for notifications. */
export interface NotificationSettings {
  /**
   * Such as `http://127.0.0.1:8080`: replaces the host of every notification address; `null` or absent keeps
   * each address.
   */
  to?: string | null | undefined
  /** The number of next notifications to lose. */
  dropNext?: number | undefined
  /** The share to lose, from 0 to 1. */
  loss?: number | undefined
  /** The number of next notifications to send twice. */
  duplicateNext?: number | undefined
  /** The delay of a notification in ms. */
  delayMs?: number | undefined
  /** The time in ms to gather notifications to one address into one request; 0 or absent sends each alone. */
  gatherMs?: number | undefined
}

/** The counts of notifications by result, including lifecycle notifications. */
export interface NotificationCounts {
  published: number
  dropped: number
  /** Requests accepted with a 2xx. */
  delivered: number
  /** Attempts that were refused. */
  refused: number
  /** Requests that expired after many attempts. */
  expired: number
  pending: number
}

/** The delivery of notifications to subscribers. They go only to this machine, whatever the address. */
export interface Notifications {
  /** Changes the given settings and keeps the rest. */
  set(settings: NotificationSettings): void
  read(): NotificationSettings
  counts(): NotificationCounts
  /** Sends to an address until accepted; calls `givenUp` if it expires. */
  publish(url: string, notification: object, givenUp?: () => void): void
  /** Whether an address echoes a validation token as required. */
  validate(url: string, token: string): Promise<boolean>
  /** Whether notifications can reach an address. */
  reaches(url: string): boolean
}

interface Waiting {
  notification: object
  givenUp: (() => void) | undefined
}

/** The JSON schema of notification settings. */
export const notificationSchema = z.strictObject({
  to: z.url().nullable().optional(),
  dropNext: z.number().int().min(0).optional(),
  loss: z.number().min(0).max(1).optional(),
  duplicateNext: z.number().int().min(0).optional(),
  delayMs: z.number().min(0).optional(),
  gatherMs: z.number().min(0).optional(),
})

const HERE = ['127.0.0.1', 'localhost', '[::1]']
const VALIDATION_MS = 10_000
const DEADLINE_MS = 10_000
const MAX_ATTEMPTS = 20
// A notification URL must return a token of about a hundred characters.
const MAX_CHARACTERS = 10_000

/**
 * Creates notifications to their own addresses. `speed` shortens delays and backoff, `random` decides losses;
 * nothing is sent after `closing` aborts.
 */
export function createNotifications(options: {
  speed: number
  random: () => number
  closing: AbortSignal
}): Notifications {
  const { speed, random, closing } = options
  const counts: NotificationCounts = { published: 0, dropped: 0, delivered: 0, refused: 0, expired: 0, pending: 0 }
  const gathering = new Map<string, Waiting[]>()
  let settings: NotificationSettings = {}

  const placeOf = (url: string): string | undefined => {
    if (!URL.canParse(url)) return undefined
    const asked = new URL(url)
    const place = settings.to ? new URL(asked.pathname + asked.search, settings.to) : asked
    return HERE.includes(place.hostname) && /^https?:$/.test(place.protocol) ? place.href : undefined
  }

  const ask = async (url: string, init: { headers: Record<string, string>; body: string }, ms: number) => {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(ms)])
    const answer = await fetch(url, { method: 'POST', ...init, signal, redirect: 'error' })
    return {
      ok: answer.ok,
      status: answer.status,
      type: answer.headers.get('content-type') ?? '',
      text: await beginningOf(answer),
    }
  }

  const post = async (url: string, body: string) => {
    const place = placeOf(url)
    if (place === undefined) return false
    try {
      return (await ask(place, { headers: { 'content-type': 'application/json; charset=utf-8' }, body }, DEADLINE_MS))
        .ok
    } catch {
      return false
    }
  }

  const send = async (url: string, gathered: Waiting[]) => {
    const { delayMs = 0, gatherMs = 0 } = settings
    await wait((delayMs + gatherMs) / speed, undefined, { signal: closing })
    // Later notifications start a new request.
    if (gathering.get(url) === gathered) gathering.delete(url)
    const body = JSON.stringify({ value: gathered.map(({ notification }) => notification) })
    const taken = await deliverRepeatedly(() => post(url, body), {
      mostAttempts: MAX_ATTEMPTS,
      speed,
      closing,
      counts,
    })
    if (!taken) for (const { givenUp } of gathered) givenUp?.()
  }

  const start = (url: string, one: Waiting) => {
    const waiting = settings.gatherMs ? gathering.get(url) : undefined
    if (waiting) {
      waiting.push(one)
      return
    }
    const gathered = [one]
    if (settings.gatherMs) gathering.set(url, gathered)
    counts.pending += 1
    send(url, gathered)
      // Only the end of the simulator stops a notification.
      .catch(() => undefined)
      .finally(() => {
        counts.pending -= 1
      })
  }

  const spend = (name: 'dropNext' | 'duplicateNext') => {
    const left = settings[name] ?? 0
    if (left > 0) settings = { ...settings, [name]: left - 1 }
    return left > 0
  }

  return {
    set(next) {
      settings = { ...settings, ...next }
    },
    read: () => settings,
    counts: () => ({ ...counts }),
    publish(url, notification, givenUp) {
      counts.published += 1
      const { loss = 0 } = settings
      if (spend('dropNext') || (loss > 0 && random() < loss)) {
        counts.dropped += 1
        return
      }
      start(url, { notification, givenUp })
      if (spend('duplicateNext')) start(url, { notification, givenUp })
    },
    async validate(url, token) {
      const place = placeOf(url)
      if (place === undefined) return false
      const asked = new URL(place)
      asked.searchParams.set('validationToken', token)
      try {
        const headers = { 'content-type': 'text/plain; charset=utf-8' }
        const { status, type, text } = await ask(asked.href, { headers, body: '' }, VALIDATION_MS)
        return status === 200 && type.startsWith('text/plain') && text === token
      } catch {
        return false
      }
    },
    reaches: url => placeOf(url) !== undefined,
  }
}

// The answer is a validation token, which is shorter: the rest is not read.
async function beginningOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > MAX_CHARACTERS) break
  }
  return text
}
