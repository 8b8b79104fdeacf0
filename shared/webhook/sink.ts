import { isIP } from 'node:net'
import type { Sink } from '../ai/sink.ts'
import { MailError } from '../error.ts'
import type { Http } from '../http/exchange.ts'
import { hostOf } from '../http/proxy.ts'
import { waitIn } from '../http/retry-after.ts'
import { MACHINE, type Machine } from '../machine.ts'
import { faultOfWebhookSecret, faultOfWebhookUrl } from '../settings/webhook.ts'
import { addressCheck } from './addresses.ts'
import { excerptOf } from './excerpt.ts'
import { createHealth, type Failed, type Pause } from './health.ts'
import { post, type Reply } from './post.ts'
import { messageIdOf, signedHeaders } from './sign.ts'
import { verdictOf } from './verdict.ts'

/** The receiver of a webhook, and what reaches it. */
export interface WebhookOptions {
  url: string
  /** The current secret first; during a rotation the previous one follows, and each message has a signature by both. */
  secrets: readonly string[]
  /** Permits addresses of this machine and of private networks, and plain http to them. */
  allowPrivate: boolean
  /** The longest wait for an answer, 15 seconds by default. */
  timeoutMs?: number
  http: Pick<Http, 'checked'>
  machine?: Pick<Machine, 'after' | 'elapsed'>
}

const TIMEOUT_MS = 15_000
const MOST_SECRETS = 2

/**
 * Creates the sink that posts tasks to a receiver by Standard Webhooks 1.0; the id of a message is the same in every attempt. Throws
 * `misconfigured` for a wrong address or secret.
 *
 * - Accepted is any 2xx, whatever text follows.
 * - Down, too slow or failing (no answer, 408, 425, 5xx, a passing redirect): `throttled`, with pauses that grow to 5 minutes and hold for
 *   all tasks, so an outage of any length makes no dead letter. Once the receiver has answered 18 of the last 20 tasks, the failure may be
 *   the task's: `unavailable`, which uses up an attempt.
 * - 429, and Retry-After with any of these: `throttled` for all tasks as long as the receiver asks, a day at most.
 * - 401, 403, 410, 301, 308, and an address that is not permitted: `misconfigured`.
 * - Any other status: `rejected`, with an excerpt of the answer that has no words of the mail.
 *
 * Addresses are checked and pinned at connect, and through a proxy too: it is given the address, so its own look-up cannot differ.
 * Messages name the receiver's host only, because the path may be a secret.
 */
export function createWebhookSink(options: WebhookOptions): Sink {
  checkOptions(options)
  const { secrets, timeoutMs = TIMEOUT_MS, machine = MACHINE } = options
  const url = new URL(options.url)
  const faultOf = addressCheck({ url, allowPrivate: options.allowPrivate })
  const host = hostOf(url)
  const fault = isIP(host) > 0 ? faultOf(host) : undefined
  if (fault !== undefined) throw new MailError('misconfigured', fault)
  const http = options.http.checked(faultOf)
  const doing = `webhook to ${url.host}`
  const health = createHealth()

  return {
    async send(task, { now: clock, signal }) {
      const now = clock()
      const sentAt = machine.elapsed()
      const pause = health.pause(sentAt)
      if (pause) throw waiting(pause, `${pause.why}; the next attempt is not due`)
      const body = JSON.stringify({ type: 'analysis.task', timestamp: new Date(now).toISOString(), data: task })
      const signed = signedHeaders({ id: messageIdOf(task.task), now, body, secrets })
      const headers = { 'content-type': 'application/json', 'user-agent': 'mailsluice', ...signed }
      const asked = post({ url, headers, body, doing, signal, timeoutMs }, { http, machine })
      const reply = await asked.catch((thrown: MailError) => {
        if (signal.aborted || thrown.kind !== 'unavailable') throw thrown
        throw failed(task.task, sentAt, { why: thrown.message })
      })
      const error = errorOf(reply, { doing, now, sent: [body, options.url, ...secrets].join('\n') })
      if (error && 'why' in error) throw failed(task.task, sentAt, error)
      if (error?.kind !== 'misconfigured') health.answered(task.task)
      if (error) throw error
      return { outcome: 'accepted' }
    },
  }

  function failed(task: string, sentAt: number, failure: Pick<Failed, 'why' | 'reportedMs' | 'isPacing'>): MailError {
    const pause = health.failed(task, { ...failure, sentAt, now: machine.elapsed() })
    return pause
      ? waiting(pause, failure.why)
      : new MailError('unavailable', `${failure.why}, though it takes other tasks`)
  }
}

// A MailError that ends the attempt, a failure of the receiver, or nothing for an accepted task.
function errorOf(
  { status, retryAfter, location, text }: Reply,
  { doing, now, sent }: { doing: string; now: number; sent: string },
): MailError | Pick<Failed, 'why' | 'reportedMs' | 'isPacing'> | undefined {
  const verdict = verdictOf(status)
  const why = `${doing}: the receiver answered ${status}${status < 400 ? directionOf(location) : ''}`
  if (verdict.is === 'accepted') return undefined
  if (verdict.is === 'paused') return new MailError('misconfigured', `${why}: ${verdict.mend}`)
  if (verdict.is === 'refused') {
    const excerpt = excerptOf(text, sent)
    return new MailError('rejected', excerpt === '' ? why : `${why}: ${excerpt}`)
  }
  const reportedMs = waitIn(retryAfter, now)
  return { why, reportedMs, isPacing: verdict.is === 'pacing' || reportedMs !== undefined }
}

function waiting({ waitMs, isPacing }: Pause, message: string): MailError {
  return new MailError('throttled', message, { retryAfterMs: waitMs, isOurs: !isPacing })
}

function directionOf(location: string | undefined): string {
  if (location === undefined || !URL.canParse(location)) return ''
  return ` with a redirect to ${new URL(location).host}, which is never followed`
}

function checkOptions({ url, secrets, allowPrivate }: WebhookOptions): void {
  const fault = faultOfWebhookUrl(url, { allowPrivate })
  if (fault !== undefined) throw new MailError('misconfigured', `WEBHOOK_URL ${fault}`)
  if (secrets.length === 0 || secrets.length > MOST_SECRETS)
    throw new MailError(
      'misconfigured',
      `WEBHOOK_SECRET needs one secret, or two during a rotation: current, then previous`,
    )
  for (const secret of secrets) {
    const wrong = faultOfWebhookSecret(secret)
    if (wrong !== undefined) throw new MailError('misconfigured', `WEBHOOK_SECRET ${wrong}`)
  }
}
