import { createHash } from 'node:crypto'
import { z } from 'zod'
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

const word = z.string().min(1).max(1000)

// learn.microsoft.com/graph/api/resources/changenotification; what is optional there is missing at times.
const item = z
  .object({
    subscriptionId: z.string().min(1).max(200),
    clientState: z.string().max(200).nullish(),
    lifecycleEvent: word.nullish(),
    id: word.nullish(),
    changeType: word.nullish(),
    resourceData: z
      .object({ id: word.nullish().catch(undefined), '@odata.etag': word.nullish().catch(undefined) })
      .nullish()
      .catch(undefined),
  })
  .transform(({ subscriptionId, clientState, lifecycleEvent, id, changeType, resourceData }): GraphNotification => {
    const version = resourceData?.['@odata.etag'] ?? id
    return {
      subscriptionId,
      clientState: clientState ?? '',
      lifecycle: lifecycleEvent ?? undefined,
      created: (changeType === 'created' && resourceData?.id) || undefined,
      // A subscription can miss something twice, in the very same words.
      trait:
        version && !lifecycleEvent
          ? JSON.stringify([subscriptionId, changeType ?? '', resourceData?.id ?? '', version])
          : undefined,
    }
  })
const collection = z.object({ value: z.array(z.unknown()).min(1) })

/** Reads what Graph posts. Items that are no notifications are left out; throws `unparsable` where there is no other. */
export function readGraphNotifications(body: unknown): GraphNotification[] {
  const items = collection.safeParse(body).data?.value ?? []
  const read = items.flatMap(one => item.safeParse(one).data ?? [])
  if (read.length === 0)
    throw new MailError('unparsable', 'not a Graph notification: it holds no item with a subscription')
  return read
}

/** A name for these notifications that they have again when they come again, and no others; `undefined` where others could be the same. */
export function nameOfNotifications(notifications: readonly GraphNotification[]): string | undefined {
  const traits = notifications.flatMap(({ trait }) => trait ?? [])
  if (traits.length < notifications.length) return undefined
  return createHash('sha256').update(JSON.stringify(traits.sort())).digest('base64url')
}
