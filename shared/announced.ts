import type { Envelope } from './envelope.ts'
import { MailError } from './error.ts'
import type { Changes } from './mailbox.ts'
import { follow, type Outcome } from './stage.ts'
import { type WatchEvent, watchEvents } from './streams.ts'

type Event = Envelope<WatchEvent>

// Right after a notification Gmail's history may not hold yet what was announced.
const LOOK_AGAIN_MS = 500
const LOOK_FOR_MS = 5000

/** The newest history id that these events name; `undefined` where none does. */
export function newestAnnounced(events: readonly Event[]): string | undefined {
  const ids = events.flatMap(({ body }) => body.historyId ?? [])
  return ids.reduce<string | undefined>((a, b) => (a !== undefined && BigInt(a) > BigInt(b) ? a : b), undefined)
}

/**
 * What else follows from the end of a listing that does not reach what was announced: where something was found, another run that looks
 * for the rest; where nothing was, the same event again after a moment, until its run is five seconds old. Otherwise nothing.
 */
export function lookAgain(
  item: Event,
  changes: Changes,
  { announced, begunAt, now }: { announced: string | undefined; begunAt: number | undefined; now: number },
): Outcome<WatchEvent> | undefined {
  const { upTo, ids, gone, labels } = changes
  if (upTo === undefined || announced === undefined || BigInt(upTo) >= BigInt(announced)) return undefined
  if (item.body.page || ids.length + gone.length + labels.length > 0) {
    const run = `${item.run}~again`
    const body = { cause: 'push', historyId: announced } as const
    const delivery = follow(item, watchEvents, run, body, now, 'live')
    return { deliveries: [{ ...delivery, envelope: { ...delivery.envelope, run } }] }
  }
  if (begunAt === undefined || now - begunAt >= LOOK_FOR_MS) return undefined
  const text = 'the history does not reach yet what was announced; looking again in a moment'
  return { failed: [{ item, error: new MailError('throttled', text, { retryAfterMs: LOOK_AGAIN_MS }) }] }
}
