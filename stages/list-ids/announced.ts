import type { Envelope } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { Changes } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { follow, type Outcome, type StageContext } from '../../shared/stage.ts'
import { MOST_CREATED, type WatchEvent, watchEvents } from '../../shared/streams.ts'

type Event = Envelope<WatchEvent>

// Right after a notification what was announced may not be listed yet.
const NUMBERED = { againMs: 500, untilMs: 5000 }
const NAMED = { againMs: 2000, untilMs: 2000 }

/** The newest history id that these events name; `undefined` where none does. */
export function newestAnnounced(events: readonly Event[]): string | undefined {
  const ids = events.flatMap(({ body }) => body.historyId ?? [])
  return ids.reduce<string | undefined>((a, b) => (a !== undefined && BigInt(a) > BigInt(b) ? a : b), undefined)
}

/** The messages that these events name as new and that are neither on this page, which is the last, nor known. */
export async function notFoundYet(events: readonly Event[], changes: Changes, ctx: StageContext): Promise<MessageId[]> {
  const here = new Set(changes.ids.map(({ id }) => id))
  const named = [...new Set(events.flatMap(({ body }) => body.created ?? []))].filter(id => !here.has(id))
  if (named.length === 0 || changes.cursor === undefined) return []
  const known = await ctx.ledger.threadsOf(named)
  return named.filter(id => !known.has(id)).slice(0, MOST_CREATED)
}

/**
 * What else follows from the end of a listing that lacks what was announced: where something was found, another run that looks for the
 * rest; where nothing was, the same event again after a moment: for what has a number, again and again until its run is five seconds old,
 * and for messages that were named once, for they may be where nobody looks. Otherwise nothing.
 */
export function lookAgain(
  item: Event,
  changes: Changes,
  options: { announced: string | undefined; lacking: readonly MessageId[]; begunAt: number | undefined; now: number },
): Outcome<WatchEvent> | undefined {
  const { upTo, ids, gone, labels, left = [] } = changes
  const { announced, lacking, begunAt, now } = options
  const isBehind = upTo !== undefined && announced !== undefined && BigInt(upTo) < BigInt(announced)
  if (!isBehind && lacking.length === 0) return undefined
  if (item.body.page || ids.length + gone.length + labels.length + left.length > 0) {
    const run = `${item.run}~again`
    const named = lacking.length === 0 ? {} : { created: [...lacking] }
    const body = { cause: 'push', ...(announced === undefined ? {} : { historyId: announced }), ...named } as const
    const delivery = follow(item, watchEvents, run, body, now, 'live')
    return { deliveries: [{ ...delivery, envelope: { ...delivery.envelope, run } }] }
  }
  const { againMs, untilMs } = isBehind ? NUMBERED : NAMED
  if (begunAt === undefined || now - begunAt >= untilMs) return undefined
  const text = 'the provider does not list yet what was announced; looking again in a moment'
  return { failed: [{ item, error: new MailError('throttled', text, { retryAfterMs: againMs, isOurs: true }) }] }
}
