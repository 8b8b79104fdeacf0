import type { Config } from '../../shared/config.ts'
import type { TaskOptions } from '../../shared/task/task.ts'
import type { DispatchRules } from '../../shared/task/worth.ts'
import { DAY_MS } from './times.ts'

/** Returns the options of tasks. */
export function taskOptions(config: Config): TaskOptions {
  return {
    tokens: config.TASK_TOKENS,
    tokenFactor: config.TASK_TOKEN_FACTOR,
    promptVersion: config.PROMPT_VERSION,
    // Other models of the list only stand in for the first.
    model: config.AI_MODEL[0] ?? '',
    timeZone: config.TIME_ZONE,
    texts: config.MESSAGE_BODY === 'text',
  }
}

/** Returns the rules for dispatching threads, at this time (ms since 1970). */
export function dispatchRules({ AI_SINCE, AI_DEBOUNCE_MS, AI_SINK }: Config, now: number): DispatchRules {
  const since = AI_SINCE && ('at' in AI_SINCE ? AI_SINCE.at : now - AI_SINCE.days * DAY_MS)
  const sends = AI_SINK === 'stream' ? {} : { sends: true as const }
  return { debounceMs: AI_DEBOUNCE_MS, ...(since === undefined ? {} : { since }), ...sends }
}
