import type { Redis } from 'ioredis'
import { LANES, type Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { type Backlog, readBacklog } from '../../shared/redis/backlog.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { Stage } from '../../shared/stage.ts'
import type { Log } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'

const CHECK_EVERY_MS = 200
// A check reads every group of every partition, so checks far from the limit are rarer.
const CHECK_AT_LEAST_EVERY_MS = 1000
// Other processes may list as much as this one, unseen until the next check.
const OTHER_PROCESSES = 4

/**
 * Pauses listing in a lane while the later stages have more than `limit` entries of it waiting, and resumes at half the limit. Live listing
 * counts live entries alone, so bulk work never delays it. Only the first stage pauses; in-flight work can always drain, so a pause cannot
 * deadlock. `sliceSize` is the number of ids in an entry of a mailbox.
 */
export function withBackpressure(
  stage: Stage,
  app: { redis: Redis; keys: Keys; now: () => number },
  { limit, sliceSize, log }: { limit: number; sliceSize: (mailbox: MailboxId) => number; log: Log },
): Stage {
  const pausedAt: Partial<Record<Lane, number>> = {}
  let checkedAt = 0
  // Entries listed since the last check are counted separately.
  let [seen, listed] = [0, 0]

  return {
    ...stage,
    async handle(batch, ctx) {
      await check()
      const lane = batch.items[0]?.lane ?? 'live'
      if (pausedAt[lane] !== undefined) {
        throw new MailError('throttled', 'later stages are behind; listing is paused', {
          retryAfterMs: CHECK_EVERY_MS,
          isOurs: true,
        })
      }
      const outcome = await stage.handle(batch, ctx)
      listed += Math.ceil((outcome.deliveries?.length ?? 0) / sliceSize(batch.mailbox))
      return outcome
    },
  }

  async function check(): Promise<void> {
    const isFar = pausedAt.bulk === undefined && seen + listed * OTHER_PROCESSES <= limit / 2
    const mayBeFull = pausedAt.bulk === undefined && seen + listed > limit
    if (app.now() - checkedAt < (isFar ? CHECK_AT_LEAST_EVERY_MS : CHECK_EVERY_MS) && !mayBeFull) return
    checkedAt = app.now()
    listed = 0
    const backlog = await readBacklog(app.redis, app.keys, STAGES.slice(1))
    // A stage that never ran is not deployed here, rather than slow.
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
          'later stages are behind; listing pauses until they catch up',
        )
      } else if (since !== undefined && entries <= limit / 2) {
        log.info({ lane, entries, pausedMs: app.now() - since }, 'later stages have caught up; listing resumes')
        delete pausedAt[lane]
      }
    }
  }
}

function entriesOf({ waiting, inWork }: Backlog): number {
  return (waiting ?? 0) + inWork
}
