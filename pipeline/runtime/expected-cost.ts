import { costOf, type Prices } from '../../shared/ai/prices.ts'
import { PROJECT_INSTRUCTIONS, PROJECT_SCHEMA } from '../../shared/ai/project-schema.ts'
import { promptOf, systemMessage } from '../../shared/ai/prompt.ts'
import type { Envelope, Lane } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Message } from '../../shared/message.ts'
import { unpackMessage } from '../../shared/redis/cached-message.ts'
import { placesOf, textsIn } from '../../shared/redis/waits.ts'
import { openEntry } from '../../shared/slice.ts'
import { analysisResults, type DueTask, dueTasks, threads } from '../../shared/streams.ts'
import { buildTask } from '../../shared/task/task.ts'
import { tokensOf } from '../../shared/task/tokens.ts'
import { aiSend } from '../../stages/ai-send.ts'
import type { AppContext } from '../base/app.ts'
import { taskOptions } from '../base/task-settings.ts'
import { recordedIn } from '../records/recorded.ts'

/** Threads whose tasks wait, or would be sent. */
export type Due = Envelope<DueTask>

/** What sending some threads may be expected to take. */
export interface ExpectedCost {
  threads: number
  inputTokens: number
  outputTokens: number
  /** Millionths of a US dollar; `undefined` without a model or a price. */
  microUsd: number | undefined
}

type Reading = Pick<AppContext, 'redis' | 'keys' | 'config'>

// Enough for an average, and read within a second or two.
const SAMPLE = 100
const NEWEST_ANSWERS = 200
// An answer in the built-in form, where no answer was recorded yet.
const USUAL_OUTPUT = 400

/** Returns the newest version of each thread that waits for the sink, of one mailbox or of all. */
export async function waitingThreads({ redis, keys }: Reading, mailbox?: MailboxId): Promise<Due[]> {
  const newest = new Map<string, Due>()
  for (const partition of mailbox ? [keys.partitionOf(mailbox)] : keys.partitions) {
    for (const place of placesOf(keys, partition, { stages: [aiSend] })) {
      for await (const texts of textsIn(redis, place)) {
        for (const text of texts) keepNewest(newest, openEntry(dueTasks, text.slice(text.indexOf('{"'))).items, mailbox)
      }
    }
  }
  return [...newest.values()]
}

/** Returns the newest version of each thread that the records still have, of one mailbox or of all. */
export async function knownThreads(app: Reading, mailbox?: MailboxId): Promise<Due[]> {
  const newest = new Map<string, Due>()
  for await (const { envelope } of recordedIn(app, threads, { mailbox })) keepNewest(newest, [envelope], mailbox)
  return [...newest.values()]
}

/**
 * Returns what sending these threads may be expected to cost, at the first model of the list: input by a sample of the threads, output by the
 * newest answers. Calls no model. A price that is missing leaves the cost out.
 */
export async function expectedCost(
  app: Reading,
  due: readonly Due[],
  { prices, of }: { prices: Prices; of?: MailboxId | undefined },
): Promise<ExpectedCost> {
  const step = Math.max(1, Math.ceil(due.length / SAMPLE))
  const sampled = await Promise.all(due.filter((_, place) => place % step === 0).map(one => inputTokens(app, one)))
  const sizes = sampled.filter(tokens => tokens !== undefined)
  const each = {
    inputTokens: sizes.reduce((sum, tokens) => sum + tokens, 0) / Math.max(1, sizes.length),
    outputTokens: await usualOutput(app, of),
  }
  const [model = ''] = app.config.AI_MODEL
  const isPriced = Object.hasOwn(prices.models, model)
  return {
    threads: due.length,
    inputTokens: Math.round(each.inputTokens * due.length),
    outputTokens: Math.round(each.outputTokens * due.length),
    microUsd: isPriced ? Math.ceil(costOf(each, model, prices) * due.length) : undefined,
  }
}

/** Returns the threads of a lane. */
export function inLane(due: readonly Due[], lane: Lane): Due[] {
  return due.filter(one => one.lane === lane)
}

// A thread whose mail left the cache says nothing about the average.
async function inputTokens({ redis, keys, config }: Reading, { mailbox, body }: Due): Promise<number | undefined> {
  const packed = await Promise.all(body.ids.map(id => redis.get(keys.message(mailbox, id))))
  const read = await Promise.all(packed.map(text => (text === null ? undefined : unpackMessage(text))))
  const messages = read.filter((message): message is Message => message !== undefined)
  if (messages.length === 0) return undefined
  const task = buildTask({ ...body, mailbox }, messages, taskOptions(config))
  const fixed = `${systemMessage(PROJECT_INSTRUCTIONS)}${JSON.stringify(PROJECT_SCHEMA)}`
  return tokensOf(`${fixed}${promptOf(task, { redact: config.AI_REDACT }).content}`)
}

async function usualOutput(app: Reading, mailbox: MailboxId | undefined): Promise<number> {
  const found: number[] = []
  for await (const { envelope } of recordedIn(app, analysisResults, { mailbox, newestFirst: true })) {
    const { usage } = envelope.body
    if (usage) found.push(usage.outputTokens)
    if (found.length >= NEWEST_ANSWERS) break
  }
  const most = app.config.AI_OUTPUT_TOKENS
  if (found.length === 0) return Math.min(USUAL_OUTPUT, most)
  return Math.round(found.reduce((sum, tokens) => sum + tokens, 0) / found.length)
}

function keepNewest(newest: Map<string, Due>, items: readonly Due[], mailbox: MailboxId | undefined): void {
  for (const item of items) {
    if (mailbox !== undefined && item.mailbox !== mailbox) continue
    const key = `${item.mailbox} ${item.body.thread}`
    if ((newest.get(key)?.at ?? Number.NEGATIVE_INFINITY) <= item.at) newest.set(key, item)
  }
}
