import { readSinkPause, type SinkPause } from '../../shared/redis/sink-state.ts'
import { readSpending, type SpendingFacts } from '../../shared/redis/spending-facts.ts'
import type { AppContext } from '../base/app.ts'
import { dollars } from '../base/money.ts'
import { utcTime } from '../base/times.ts'
import { sinkSettings } from './sink-gate.ts'

/** The state of the sink, for people and programs. Money is in millionths of a US dollar. */
export interface SinkFacts {
  sink: 'webhook' | 'openai'
  paused: SinkPause | undefined
  spending: SpendingFacts
  dayBudgetMicroUsd: number | undefined
}

/** Reads the state of the sink; `undefined` where tasks go to the stream. */
export async function readSink({ redis, keys, config, now }: AppContext): Promise<SinkFacts | undefined> {
  const { AI_SINK: sink, AI_BUDGET_USD_PER_DAY: dayBudgetMicroUsd } = config
  if (sink === 'stream') return undefined
  const [paused, spending] = await Promise.all([
    readSinkPause(redis, keys, sinkSettings(config)),
    readSpending(redis, keys, { now: now() }),
  ])
  return { sink, paused, spending, dayBudgetMicroUsd }
}

/** Describes the state of the sink: whether it takes tasks, what was spent today, and what waits until when. */
export function sinkLines({ sink, paused, spending, dayBudgetMicroUsd }: SinkFacts): string[] {
  const { spentMicroUsd, openMicroUsd, refused } = spending
  const of = dayBudgetMicroUsd === undefined ? '' : ` of ${dollars(dayBudgetMicroUsd)}`
  const open = openMicroUsd > 0 ? `, at most ${dollars(openMicroUsd)} more by requests in work` : ''
  const limit =
    refused &&
    { budget: 'the budget of the day', requests: 'AI_REQUESTS_PER_MINUTE', tokens: 'AI_TOKENS_PER_MINUTE' }[refused.why]
  return [
    paused
      ? `Sink: ${sink}, paused since ${at(paused.since)}; tried again at ${at(paused.tryAt)}, or with \`mailsluice ai resume\`. Reason: ${paused.why}`
      : `Sink: ${sink}, takes tasks`,
    ...(sink === 'openai' ? [`Models today: ${dollars(spentMicroUsd)}${of} spent${open}`] : []),
    ...(refused ? [`Tasks wait for ${limit} until ${at(refused.untilMs)}`] : []),
  ]
}

function at(ms: number): string {
  return `${utcTime(ms, 'minute')} UTC`
}
