import { writeFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { capped } from '../../shared/ai/capped.ts'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { dollars, MICRO_USD } from '../base/money.ts'
import { table } from '../base/table.ts'
import { type Tried, tryThreads } from '../replay/trial.ts'
import { trialPage } from '../replay/trial-page.ts'
import { openSpending } from '../runtime/sending.ts'
import { openOpenAi } from '../runtime/sinks/openai.ts'
import { checked, wholeNumber, word } from './arguments.ts'
import { withReadableApp } from './with-app.ts'

const SHOWN = 60

/** The options of `mailsluice trial`. */
export interface TrialCommand {
  prompt?: string | undefined
  model?: string | undefined
  sample: number
  maxUsd: number
  html?: string | undefined
  mailbox?: MailboxId | undefined
}

/** Adds the options and the action of `trial`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .requiredOption('--max-usd <amount>', 'spend at most this, in US dollars', checked(amountOfDollars))
    .option('--prompt <file>', 'instructions to try; those of the settings by default')
    .option('--model <model>', 'the model to try; that of the settings by default', checked(word))
    .option('--sample <count>', 'how many of the newest threads', checked(wholeNumber(1, 1000)), 50)
    .option('--html <file>', 'also write both answers of each thread to a page')
    .option('--mailbox <mailbox>', 'only threads of this mailbox', checked(parseMailboxId))
    .option('--json', 'print one JSON object', false)
    .action(async options => {
      if (!(await trial(contextOf(options), options))) process.exitCode = FAILED
    })
}

/** Asks a model about recent threads, beside the answers they have. Dispatches nothing. Returns whether any thread was answered. */
export async function trial(context: CommandContext, options: TrialCommand): Promise<boolean> {
  const { config, signal } = context
  const model = options.model === undefined ? config.AI_MODEL : [options.model]
  if (model.length === 0) throw new MailError('misconfigured', 'no model to try: use --model, or set AI_MODEL')
  const chosen = {
    ...config,
    AI_MODEL: model,
    AI_PROMPT_FILE: options.prompt ?? config.AI_PROMPT_FILE,
    MESSAGE_BODY: 'text' as const,
  }
  return withReadableApp({ ...context, config: chosen }, async app => {
    const sink = await openOpenAi(app)
    const spending = capped(openSpending(app), Math.round(options.maxUsd * MICRO_USD))
    const { sample, mailbox } = options
    const tried = await tryThreads(app, { sink, spending, sample, mailbox, signal })
    if (options.html !== undefined) await writeFile(options.html, trialPage(tried, `Trial of ${model.join(', ')}`))
    if (context.json) context.print(JSON.stringify({ tried }))
    else context.print(report(tried, options.html))
    return tried.some(({ after }) => after !== undefined)
  })
}

function report(tried: readonly Tried[], page: string | undefined): string {
  if (tried.length === 0) return 'No thread is recorded: sync a mailbox first, or raise STREAM_RETENTION.'
  const rows = table(['thread', 'latest answer', 'new answer', 'cost'], 3)
  for (const { thread, before, after, fault } of tried)
    rows.push([
      thread,
      before ? brief(before.output) : '',
      after ? brief(after.output) : `none: ${fault}`,
      costOf(after),
    ])
  const sum = tried.reduce((total, { after }) => total + (after?.costMicroUsd ?? 0), 0)
  const written = page === undefined ? '' : ` ${page} has both answers of each.`
  return `${rows.toString()}\n${tried.length} threads, ${dollars(sum)}.${written}`
}

function costOf(answer: Tried['after']): string {
  return answer?.costMicroUsd === undefined ? '' : dollars(answer.costMicroUsd, 6)
}

// The first text of an answer says the most.
function brief(output: Record<string, unknown>): string {
  const text = Object.values(output).find(value => typeof value === 'string') ?? JSON.stringify(output)
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text
}

function amountOfDollars(text: string): number {
  const amount = /^\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Number(text) : 0
  if (!(amount > 0)) throw new InvalidArgumentError('use an amount above 0, such as 1 or 0.50.')
  return amount
}
