import type { Command } from 'commander'
import { LANES, type Lane } from '../../shared/envelope.ts'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { MICRO_USD } from '../base/money.ts'
import { table } from '../base/table.ts'
import { type ExpectedCost, expectedCost, inLane, knownThreads, waitingThreads } from '../runtime/expected-cost.ts'
import { readPrices } from '../runtime/sinks/openai.ts'
import { checked } from './arguments.ts'
import { withReadableApp } from './with-app.ts'

// A usual answer takes so long.
const ANSWER_MINUTES = 1 / 12

interface Row extends ExpectedCost {
  what: 'waiting' | 'known'
  lane: Lane
  minutes: number
}

/** Adds the options and the action of `estimate`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .option('--mailbox <mailbox>', 'only this mailbox', checked(parseMailboxId))
    .option('--json', 'print one JSON object', false)
    .action(options => estimate(contextOf(options), options))
}

/** Prints what the waiting threads, and all known threads once more, may be expected to cost. Calls no model. */
export async function estimate(
  context: CommandContext,
  { mailbox }: { mailbox?: MailboxId | undefined },
): Promise<void> {
  await withReadableApp(context, async app => {
    const { config } = app
    const prices = await readPrices(config)
    const due = { waiting: await waitingThreads(app, mailbox), known: await knownThreads(app, mailbox) }
    const rows: Row[] = []
    for (const what of ['waiting', 'known'] as const) {
      for (const lane of LANES) {
        const cost = await expectedCost(app, inLane(due[what], lane), { prices, of: mailbox })
        rows.push({ what, lane, ...cost, minutes: minutesOf(cost, config) })
      }
    }
    const [model = null] = config.AI_MODEL
    if (context.json) context.print(JSON.stringify({ model, pricesAsOf: prices.asOf, rows }))
    else context.print(report(rows, model, prices.asOf))
  })
}

function minutesOf({ threads, inputTokens, outputTokens }: ExpectedCost, config: CommandContext['config']): number {
  const { AI_CONCURRENCY, AI_REQUESTS_PER_MINUTE: requests, AI_TOKENS_PER_MINUTE: tokens } = config
  return Math.ceil(
    Math.max(
      (threads / AI_CONCURRENCY) * ANSWER_MINUTES,
      requests === undefined ? 0 : threads / requests,
      tokens === undefined ? 0 : (inputTokens + outputTokens) / tokens,
    ),
  )
}

function report(rows: readonly Row[], model: string | null, asOf: string): string {
  const lines = table(['threads', 'lane', 'count', 'tokens in', 'tokens out', 'US dollars', 'minutes'], 2)
  for (const { what, lane, threads, inputTokens, outputTokens, microUsd, minutes } of rows) {
    const price = microUsd === undefined ? 'unknown' : (microUsd / MICRO_USD).toFixed(4)
    lines.push([what, lane, threads, inputTokens, outputTokens, price, minutes])
  }
  const priced = model === null ? 'Set AI_MODEL for a price.' : `Prices of ${model} as of ${asOf}.`
  return `${lines.toString()}\n${priced} A known thread is sent again only if it changes, or the prompt or model does.`
}
