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
    model: config.AI_MODEL,
    timeZone: config.TIME_ZONE,
    texts: config.MESSAGE_BODY === 'text',
  }
}

/** Returns the rules for dispatching threads, at this time (ms since 1970). */
export function dispatchRules({ AI_SINCE, AI_DEBOUNCE_MS }: Config, now: number): DispatchRules {
  const since = AI_SINCE && ('at' in AI_SINCE ? AI_SINCE.at : now - AI_SINCE.days * DAY_MS)
  return { debounceMs: AI_DEBOUNCE_MS, ...(since === undefined ? {} : { since }) }
}
