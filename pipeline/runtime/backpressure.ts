import type { Redis } from 'ioredis'
import { LANES, type Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import { type Backlog, readBacklog } from '../../shared/redis/backlog.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { Stage } from '../../shared/stage.ts'
import type { Log } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'

const LOOK_EVERY_MS = 200
// Far from the limit it is enough to look now and then: a look asks Redis for every group of every partition.
const LOOK_AT_LEAST_EVERY_MS = 1000
// Other processes may list as much as this one, unseen until the next look.
const LISTED_BESIDE = 4

/**
 * The first stage, which lists nothing in a lane while the stages after it have more than `limit` entries of it before them, and goes on once
 * half of that is left. Live listings count live entries alone: bulk work never holds them up. Only the source is ever held back: whatever is
 * under way can always drain, so a pause cannot deadlock. `sliceSize` is how many ids an entry carries.
 */
export function withBackpressure(
  stage: Stage,
  app: { redis: Redis; keys: Keys; now: () => number },
  { limit, sliceSize, log }: { limit: number; sliceSize: number; log: Log },
): Stage {
  const pausedAt: Partial<Record<Lane, number>> = {}
  let lookedAt = 0
  // What was listed since is not seen by the last look.
  let [seen, listed] = [0, 0]

  return {
    ...stage,
    async handle(batch, ctx) {
      await look()
      const lane = batch.items[0]?.lane ?? 'live'
      if (pausedAt[lane] !== undefined) {
        throw new MailError('throttled', 'later stages are behind; listing waits', {
          retryAfterMs: LOOK_EVERY_MS,
          isOurs: true,
        })
      }
      const outcome = await stage.handle(batch, ctx)
      listed += Math.ceil((outcome.deliveries?.length ?? 0) / sliceSize)
      return outcome
    },
  }

  async function look(): Promise<void> {
    const isFar = pausedAt.bulk === undefined && seen + listed * LISTED_BESIDE <= limit / 2
    const mayBeFull = pausedAt.bulk === undefined && seen + listed > limit
    if (app.now() - lookedAt < (isFar ? LOOK_AT_LEAST_EVERY_MS : LOOK_EVERY_MS) && !mayBeFull) return
    lookedAt = app.now()
    listed = 0
    const backlog = await readBacklog(app.redis, app.keys, STAGES.slice(1))
    // A stage that never ran is somebody else's business, not a slow one.
    const counted = backlog.filter(({ known }) => known)
    seen = counted.reduce((sum, row) => sum + entriesOf(row), 0)
    for (const lane of LANES) {
      const before = lane === 'live' ? counted.filter(row => row.lane === lane) : counted
      const entries = before.reduce((sum, row) => sum + entriesOf(row), 0)
      const since = pausedAt[lane]
      if (since === undefined && entries > limit) {
        pausedAt[lane] = app.now()
        const [worst] = before.toSorted((a, b) => entriesOf(b) - entriesOf(a))
        log.warn(
          { lane, entries, limit, most: worst?.stage },
          'later stages have too much work waiting; listing pauses until they catch up',
        )
      } else if (since !== undefined && entries <= limit / 2) {
        log.info({ lane, entries, pausedMs: app.now() - since }, 'later stages have caught up; listing goes on')
        delete pausedAt[lane]
      }
    }
  }
}

function entriesOf({ waiting, inWork }: Backlog): number {
  return (waiting ?? 0) + inWork
}
