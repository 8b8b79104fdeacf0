import type { Sink } from '../../../shared/ai/sink.ts'
import type { AppContext } from '../../base/app.ts'
import { openOpenAi } from './openai.ts'
import { openWebhook } from './webhook.ts'

/** Opens a sink with the settings. Throws `misconfigured` where they do not suffice. */
export type OpenSink = (app: AppContext) => Promise<Sink>

/** The sinks by the name in `AI_SINK`. `stream` has none: workers read the stream. */
export const SINKS: ReadonlyMap<string, OpenSink> = new Map([
  ['webhook', openWebhook],
  ['openai', openOpenAi],
])
