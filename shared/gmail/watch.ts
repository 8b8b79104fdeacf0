import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call, Watch } from '../mailbox.ts'
import type { GmailClient } from './client.ts'
import { errorOf, errorText } from './errors.ts'
import type { QuotaCosts } from './quota.ts'

/**
 * The Pub/Sub topic for Gmail's notifications, and the labels whose changes it reports; no labels means all.
 */
export interface Notifying {
  topic: string
  labels: readonly string[]
}

interface WatchOptions {
  name: string
  client: GmailClient
  costs: QuotaCosts
  now: () => number
}

// developers.google.com/gmail/api/guides/push
const PUBLISHER = 'gmail-api-push@system.gserviceaccount.com'

const watched = z.object({
  expiration: z.coerce
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
})

/**
 * Starts or renews Gmail's notifications to a Pub/Sub topic, for seven days. Gmail sends one notification at
 * once, then at most one a second, and drops the rest
 * (developers.google.com/gmail/api/reference/rest/v1/users/watch).
 */
export async function watchMailbox(
  { name, client, costs, now }: WatchOptions,
  notify: Notifying | undefined,
  call: Call,
): Promise<Watch> {
  const doing = `watch of ${name}`
  if (!notify) throw new MailError('misconfigured', `${doing}: no topic is set; set GMAIL_PUBSUB_TOPIC`)
  const { topic, labels } = notify
  const filter = labels.length > 0 ? { labelIds: [...labels], labelFilterBehavior: 'INCLUDE' } : {}
  const sending = { doing, call, kind: 'watch', units: costs.watch } as const
  const answer = await client.ask(sending, (api, inner) =>
    api.users.watch({ userId: 'me', requestBody: { topicName: topic, ...filter } }, inner),
  )
  if (answer.status !== 200) throw withRemedy(errorOf(answer, doing, { now }), answer, { name, labels })
  const { success, data } = watched.safeParse(answer.body)
  if (!success) throw new MailError('unparsable', `${doing}: Google's answer contains no expiry`)
  return { expiresAt: data.expiration }
}

/** Ends Gmail's notifications. */
export async function stopWatching({ name, client, costs, now }: WatchOptions, call: Call): Promise<void> {
  const doing = `stop of ${name}`
  const sending = { doing, call, kind: 'watch', units: costs.stop } as const
  const answer = await client.ask(sending, (api, inner) => api.users.stop({ userId: 'me' }, inner))
  if (answer.status !== 200 && answer.status !== 204) throw errorOf(answer, doing, { now })
}

// Google tests the topic and reports a fault only as text.
function withRemedy(
  error: MailError,
  answer: Answer,
  { name, labels }: { name: string; labels: readonly string[] },
): MailError {
  const words = errorText(answer)
  const isOfWatch = error.kind === 'rejected' || error.kind === 'unauthorized'
  if (isOfWatch && /only one user push notification client/i.test(words))
    return new MailError(
      'misconfigured',
      `${error.message}; this Cloud project watches the mailbox for another topic: run \`mailsluice unwatch ${name}\` and then \`mailsluice watch ${name}\`, or set GMAIL_PUBSUB_TOPIC to that topic`,
    )
  const isOfTopic = error.kind === 'rejected' || error.blames === 'access'
  if (!isOfTopic || ![400, 403, 404].includes(answer.status)) return error
  if (labels.length > 0 && /\blabel/i.test(words))
    return new MailError(
      'misconfigured',
      `${error.message}; GMAIL_WATCH_LABELS takes ids of labels that the mailbox has, such as INBOX or Label_1, but is ${labels.join(',')}`,
    )
  return new MailError(
    'misconfigured',
    `${error.message}; GMAIL_PUBSUB_TOPIC must be in the Cloud project of GMAIL_CLIENT_ID, and ${PUBLISHER} must be allowed to publish to it`,
  )
}
