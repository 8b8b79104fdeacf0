import type { Config } from '../../shared/config.ts'
import type { Pace, Stage } from '../../shared/stage.ts'
import { aiDispatch } from '../../stages/ai-dispatch.ts'
import { aiSend } from '../../stages/ai-send.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { cacheFilter } from '../../stages/cache-filter.ts'
import { listIds } from '../../stages/list-ids/list-ids.ts'
import { merge } from '../../stages/merge.ts'
import { threadGroup } from '../../stages/thread-group/thread-group.ts'

/** The six stages in flow order. */
export const STAGES: readonly Stage[] = [listIds, cacheFilter, batchFetch, merge, threadGroup, aiDispatch]

/** Everything that reads streams: the stages, and the sender behind the last one. */
export const READERS: readonly Stage[] = [...STAGES, aiSend]

/** Returns the sender with the configured number of calls at a time. */
export function senderOf({ AI_CONCURRENCY }: Config): Stage {
  return { ...aiSend, pace: { ...aiSend.pace, concurrency: AI_CONCURRENCY } } as Stage
}

/** The messages a call fetches at a provider, and the calls at a time of one process. */
export interface Fetching {
  batchSize: number
  concurrency: number
}

/** Returns a stage's pace for mailboxes with this fetching; only batch-fetch's pace depends on it. */
export function paceOf(stage: Stage, { batchSize, concurrency }: Fetching): Pace {
  if (stage.name !== 'batch-fetch') return stage.pace
  return { ...stage.pace, size: batchSize, ids: batchSize, concurrency }
}
