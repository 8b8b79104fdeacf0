import { createHash } from 'node:crypto'
import { MailError } from '../error.ts'

/** One thing that Graph says in a POST: that something of a subscription changed, or what became of the subscription itself. */
export interface GraphNotification {
  subscriptionId: string
  /** What proves that Graph says it. */
  clientState: string
  /** What became of the subscription, where it is about that; a word that is not known yet stays as it is. */
  lifecycle?: string | undefined
  /** The message that is new, where it is about one. */
  created?: string | undefined
  /** What tells it from all that came before and will come; `undefined` where a later one could be the same word for word. */
  trait?: string | undefined
}

/** The most notifications of a POST; Graph sends no more. */
export const MOST_NOTIFICATIONS = 1000

const LONGEST_ID = 200
const LONGEST_WORD = 1000

/**
 * Reads one item of what Graph posts (learn.microsoft.com/graph/api/resources/changenotification; what is optional there is missing at
 * times). `undefined` where it is no notification. It takes about a microsecond whatever the item holds: anybody can post a thousand.
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
    // A subscription can miss something twice, in the very same words.
    trait:
      version && !lifecycleEvent
        ? JSON.stringify([subscriptionId, changeType ?? '', message ?? '', version])
        : undefined,
  }
}

/** Says that what was posted holds no notification. */
export function noNotification(): MailError {
  return new MailError('unparsable', 'not a Graph notification: it holds no item with a subscription')
}

/** A name for these notifications that they have again when they come again, and no others; `undefined` where others could be the same. */
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
