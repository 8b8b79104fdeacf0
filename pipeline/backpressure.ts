import type { Redis } from 'ioredis'
import { MailError } from '../shared/error.ts'
import { readBacklog } from '../shared/redis/backlog.ts'
import type { Keys } from '../shared/redis/keys.ts'
import type { Stage } from '../shared/stage.ts'
import type { Log } from './log.ts'
import { STAGES } from './stages.ts'
import { sleep } from './wait.ts'

const LOOK_EVERY_MS = 200

/**
 * The first stage, which handles nothing while the stages after it have more than `limit` entries before them, and goes on once half of
 * that is left. Only the source is ever held back: whatever is under way can always drain, so a pause cannot deadlock.
 */
export function withBackpressure(
  stage: Stage,
  office: { redis: Redis; keys: Keys; now: () => number },
  { limit, log }: { limit: number; log: Log },
): Stage {
  let pausedAt: number | undefined
  let lookedAt = 0

  return {
    ...stage,
    async handle(batch, run) {
      const { signal } = run.call
      await look()
      while (pausedAt !== undefined) {
        await sleep(LOOK_EVERY_MS, signal)
        if (signal.aborted) throw new MailError('unavailable', 'stopped while later stages were behind')
        await look()
      }
      const outcome = await stage.handle(batch, run)
      // What was just listed is not seen by a look of before.
      if (outcome.deliveries?.length) lookedAt = 0
      return outcome
    },
  }

  async function look(): Promise<void> {
    if (office.now() - lookedAt < LOOK_EVERY_MS) return
    lookedAt = office.now()
    const backlog = await readBacklog(office.redis, office.keys, STAGES.slice(1))
    // A stage that never ran is somebody else's business, not a slow one.
    const counted = backlog.filter(({ known }) => known)
    const entries = counted.reduce((sum, { waiting, inWork }) => sum + (waiting ?? 0) + inWork, 0)
    if (pausedAt === undefined && entries > limit) {
      pausedAt = office.now()
      const [worst] = counted.toSorted((a, b) => (b.waiting ?? 0) + b.inWork - (a.waiting ?? 0) - a.inWork)
      log.warn(
        { entries, limit, most: worst?.stage },
        'too much is waiting in later stages: nothing new is listed until they catch up',
      )
    } else if (pausedAt !== undefined && entries <= limit / 2) {
      log.info({ entries, pausedMs: office.now() - pausedAt }, 'later stages have caught up: listing goes on')
      pausedAt = undefined
    }
  }
}
