import type { Envelope } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { Changes } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { follow, type Outcome, type StageContext } from '../../shared/stage.ts'
import { MAX_CREATED, type WatchEvent, watchEvents } from '../../shared/streams.ts'

type Event = Envelope<WatchEvent>

// Right after a notification the provider may not list the announced change yet.
const BY_HISTORY_ID = { retryMs: 500, untilMs: 5000 }
const BY_MESSAGE_ID = { retryMs: 2000, untilMs: 2000 }

/** Returns the newest history id in these events; `undefined` when none has one. */
export function newestAnnounced(events: readonly Event[]): string | undefined {
  const ids = events.flatMap(({ body }) => body.historyId ?? [])
  return ids.reduce<string | undefined>((a, b) => (a !== undefined && BigInt(a) > BigInt(b) ? a : b), undefined)
}

/** Returns the messages that these events announce as new and that are neither known nor on this page, if it is the last. */
export async function missingAnnounced(
  events: readonly Event[],
  changes: Changes,
  ctx: StageContext,
): Promise<MessageId[]> {
  const here = new Set(changes.ids.map(({ id }) => id))
  const named = [...new Set(events.flatMap(({ body }) => body.created ?? []))].filter(id => !here.has(id))
  if (named.length === 0 || changes.cursor === undefined) return []
  const known = await ctx.ledger.threadsOf(named)
  return named.filter(id => !known.has(id)).slice(0, MAX_CREATED)
}

/**
 * Decides how to continue when a listing ends without the announced change. Where the listing found something, another run checks for the
 * rest. Where it found nothing, the same event is retried: for a history id until the run is five seconds old, for message ids once,
 * because they may be in a folder that is not read. Returns `undefined` when nothing is missing.
 */
export function retryListing(
  item: Event,
  changes: Changes,
  options: { announced: string | undefined; missing: readonly MessageId[]; begunAt: number | undefined; now: number },
): Outcome<WatchEvent> | undefined {
  const { upTo, ids, gone, labels, left = [] } = changes
  const { announced, missing, begunAt, now } = options
  const isBehind = upTo !== undefined && announced !== undefined && BigInt(upTo) < BigInt(announced)
  if (!isBehind && missing.length === 0) return undefined
  if (item.body.page || ids.length + gone.length + labels.length + left.length > 0) {
    const run = `${item.run}~again`
    const named = missing.length === 0 ? {} : { created: [...missing] }
    const body = { cause: 'push', ...(announced === undefined ? {} : { historyId: announced }), ...named } as const
    const delivery = follow(item, watchEvents, run, body, now, 'live')
    return { deliveries: [{ ...delivery, envelope: { ...delivery.envelope, run } }] }
  }
  const { retryMs, untilMs } = isBehind ? BY_HISTORY_ID : BY_MESSAGE_ID
  if (begunAt === undefined || now - begunAt >= untilMs) return undefined
  const text = 'the provider does not list the announced change yet; retrying shortly'
  return { failed: [{ item, error: new MailError('throttled', text, { retryAfterMs: retryMs, isOurs: true }) }] }
}
