import type { Config } from '../../shared/config.ts'
import type { Pace, Stage } from '../../shared/stage.ts'
import { aiDispatch } from '../../stages/ai-dispatch.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { cacheFilter } from '../../stages/cache-filter.ts'
import { listIds } from '../../stages/list-ids/list-ids.ts'
import { merge } from '../../stages/merge.ts'
import { threadGroup } from '../../stages/thread-group/thread-group.ts'

/** The six stages in flow order. */
export const STAGES: readonly Stage[] = [listIds, cacheFilter, batchFetch, merge, threadGroup, aiDispatch]

/** Returns a stage's pace with the configured sizes applied. */
export function paceOf(stage: Stage, config: Pick<Config, 'GMAIL_BATCH_SIZE' | 'GMAIL_MAX_CONCURRENT_BATCHES'>): Pace {
  if (stage.name !== 'batch-fetch') return stage.pace
  const { GMAIL_BATCH_SIZE: ids, GMAIL_MAX_CONCURRENT_BATCHES: concurrency } = config
  return { ...stage.pace, size: ids, ids, concurrency }
}
