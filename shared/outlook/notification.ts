import { createHash } from 'node:crypto'
import { MailError } from '../error.ts'

/**
 * One item of a Graph notification POST: a change under a subscription, or an event of the subscription
 * itself.
 */
export interface GraphNotification {
  subscriptionId: string
  /** The proof that Graph sent it. */
  clientState: string
  /** The event of the subscription, if there is one; unknown events are kept unchanged. */
  lifecycle?: string | undefined
  /** The id of the new message, if it reports one. */
  created?: string | undefined
  /** A key that no other notification has; `undefined` if a later one could be identical. */
  trait?: string | undefined
}

/** The maximum number of notifications in a POST; Graph sends no more. */
export const MAX_NOTIFICATIONS = 1000

const LONGEST_ID = 200
const LONGEST_WORD = 1000

/**
 * Reads one item of Graph's POST (learn.microsoft.com/graph/api/resources/changenotification; its optional
 * fields may be missing). Returns `undefined` if it is not a notification. Takes about a microsecond for any
 * content, because anybody can post a thousand items.
 */
export function readGraphNotification(given: unknown): GraphNotification | undefined {
  if (!isRecord(given)) return undefined
  const { subscriptionId, clientState = null, lifecycleEvent = null, id = null, changeType = null } = given
  if (!isWord(subscriptionId, LONGEST_ID)) return undefined
  if (clientState !== null && !(clientState === '' || isWord(clientState, LONGEST_ID))) return undefined
  if (!isWordOrNone(lifecycleEvent) || !isWordOrNone(id) || !isWordOrNone(changeType)) return undefined
  const resource = isRecord(given.resourceData) ? given.resourceData : {}
  const message = wordIn(resource.id)
  const version = wordIn(resource['@odata.etag']) ?? id
  return {
    subscriptionId,
    clientState: clientState ?? '',
    lifecycle: lifecycleEvent ?? undefined,
    created: changeType === 'created' ? message : undefined,
    // A subscription can miss notifications twice and report it in identical words.
    trait:
      version && !lifecycleEvent
        ? JSON.stringify([subscriptionId, changeType ?? '', message ?? '', version])
        : undefined,
  }
}

/** Builds the error for a POST without a notification. */
export function noNotification(): MailError {
  return new MailError('unparsable', 'not a Graph notification: no item has a subscription')
}

/**
 * Returns a name for these notifications. A repetition has the same name, and no others do; `undefined` if
 * others could be identical.
 */
export function nameOfNotifications(notifications: readonly GraphNotification[]): string | undefined {
  const traits = notifications.flatMap(({ trait }) => trait ?? [])
  if (traits.length < notifications.length) return undefined
  return createHash('sha256').update(JSON.stringify(traits.sort())).digest('base64url')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWord(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longest
}

function isWordOrNone(value: unknown): value is string | null {
  return value === null || isWord(value, LONGEST_WORD)
}

function wordIn(value: unknown): string | undefined {
  return isWord(value, LONGEST_WORD) ? value : undefined
}
