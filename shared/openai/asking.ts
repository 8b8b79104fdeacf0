import { withRealDates } from '../ai/due-dates.ts'
import { grounded } from '../ai/grounding.ts'
import { type Prompt, promptOf, repairOf } from '../ai/prompt.ts'
import { restored } from '../ai/redaction.ts'
import type { Answer, SinkCall } from '../ai/sink.ts'
import { MailError } from '../error.ts'
import { parseMailboxId } from '../mailbox.ts'
import type { Task } from '../task/schema.ts'
import type { Complete, Exchanged } from './client.ts'
import { paidFor } from './payment.ts'
import { isFree, mostHopeful, verdictOn } from './refusals.ts'
import { objectIn, type Reply, replyIn, usageIn } from './reply.ts'
import { chatRequest, type Dialect, type FixedParts, type Parameter, withoutParameter } from './request.ts'
import type { Validate } from './validator.ts'

/** The tokens of a request, as a host reports them. */
export type ModelUsage = NonNullable<Answer['usage']>

/** An opened host with its models, and what it was found to accept. */
export interface Host {
  models: readonly string[]
  promptVersion: string
  outputTokens: number
  redact: boolean
  /** The schema is the built-in one. */
  hasDueDates: boolean
  worstCase(bytes: number, outputTokens: number): { microUsd: number; tokens: number }
  costOf(usage: ModelUsage, model: string, isFlex: boolean): number
  fixed: FixedParts
  complete: Complete
  validate: Validate
  traits: { dialect: Dialect; tried: readonly Parameter[] }
}

/** A reply, or a failure of one model that leaves the others to ask. */
type Asked = Reply | { failure: MailError }

/** Prepares a task for a host. Each call of the result asks for an answer; it throws as `Sink.send` does. */
export function openAsking(host: Host, { task, call }: { task: Task; call: SinkCall }): () => Promise<Answer> {
  const prompt = promptOf(task, host)
  const bill = { usage: undefined as ModelUsage | undefined, microUsd: 0, isWhole: true }

  return async () => {
    const failures: MailError[] = []
    for (const model of host.models) {
      const answer = await answerOf(model)
      if (!('failure' in answer)) return answer
      failures.push(answer.failure)
    }
    throw mostHopeful(failures)
  }

  async function answerOf(model: string): Promise<Answer | { failure: MailError }> {
    const first = await ask(model, prompt.content)
    if ('failure' in first) return first
    const fault = faultOf(first, host.validate)
    if (fault === undefined) return answered(model, first)
    const second = await ask(model, repairOf(prompt.content, { answer: first.text ?? '', fault }))
    if ('failure' in second) return second
    const still = faultOf(second, host.validate)
    return still === undefined ? answered(model, second) : withoutOutput(model, 'invalid', still)
  }

  function answered(model: string, reply: Reply): Answer {
    if (reply.finish !== undefined) return withoutOutput(model, reply.finish)
    const { output, removed } = checked(objectIn(reply.text ?? ''), prompt, host.fixed.schema)
    // What was removed may be required.
    const fault = host.validate(output)
    if (fault !== undefined) return { ...withoutOutput(model, 'invalid', `after removals: ${fault}`), removed }
    const dated = host.hasDueDates ? withRealDates(output) : { output, removed: 0 }
    return {
      ...base(model, 'answered'),
      output: restored(dated.output, prompt.redaction),
      removed,
      ...(dated.removed > 0 ? { note: `${dated.removed} due dates were no dates` } : {}),
    }
  }

  function withoutOutput(model: string, finish: Answer['finish'], note?: string): Answer {
    return { ...base(model, finish), output: {}, ...(note === undefined ? {} : { note }) }
  }

  function base(model: string, finish: Answer['finish']) {
    const { usage, microUsd, isWhole } = bill
    const isKnown = usage !== undefined && isWhole
    return { model, promptVersion: host.promptVersion, finish, ...(isKnown ? { usage, costMicroUsd: microUsd } : {}) }
  }

  // Asks again only where the host does not know a parameter, once for each.
  async function ask(model: string, content: string): Promise<Asked> {
    for (;;) {
      const exchanged = await exchange(model, content)
      if (exchanged.outcome === 'answer') {
        const reply = replyIn(exchanged.answer)
        return reply ?? { failure: new MailError('unavailable', `the answer of the model ${model} is no completion`) }
      }
      if (exchanged.outcome === 'failed') {
        // Where nothing is reached or the caller stops, another model changes nothing.
        if (!exchanged.hasLeft || call.signal.aborted) throw exchanged.error
        return { failure: exchanged.error }
      }
      const { traits } = host
      const verdict = verdictOn(exchanged.refusal, { model, tried: traits.tried })
      if (verdict.meaning === 'filtered') return { finish: 'filtered', isFlex: false }
      if (verdict.meaning === 'failed') {
        if (!verdict.isOfModel) throw verdict.error
        return { failure: verdict.error }
      }
      const { parameter } = verdict
      host.traits = {
        dialect: withoutParameter(traits.dialect, parameter),
        tried: [...traits.tried, parameter],
      }
    }
  }

  async function exchange(model: string, content: string): Promise<Exchanged> {
    // The slower lane is for work that nobody waits for.
    const fixed = { ...host.fixed, isFlex: host.fixed.isFlex && call.lane === 'bulk' }
    const request = chatRequest(fixed, { model, content, dialect: host.traits.dialect })
    const bytes = Buffer.byteLength(JSON.stringify(request))
    const worst = { task: task.task, lane: call.lane, ...host.worstCase(bytes, host.outputTokens) }
    const reservation = await paidFor(call.spending, { mailbox: parseMailboxId(task.mailbox), ...worst }, call)
    const exchanged = await host.complete(request, call)
    if (!(await reservation.settle(spentOn(model, exchanged)))) {
      throw new MailError(
        'misconfigured',
        `the host reports more for the model ${model} than was reserved for the request; check its price and whether it honours AI_OUTPUT_TOKENS, then resume`,
      )
    }
    return exchanged
  }

  // Nothing is known of a request that left and was not answered: its worst case stays counted.
  function spentOn(model: string, exchanged: Exchanged): { microUsd: number; tokens: number } | undefined {
    const nothing = { microUsd: 0, tokens: 0 }
    if (exchanged.outcome === 'failed' && !exchanged.hasLeft) return nothing
    if (exchanged.outcome === 'refused' && isFree(exchanged.refusal)) return nothing
    const usage = exchanged.outcome === 'answer' ? usageIn(exchanged.answer) : undefined
    if (usage === undefined || exchanged.outcome !== 'answer') {
      bill.isWhole = false
      return undefined
    }
    const microUsd = host.costOf(usage, model, replyIn(exchanged.answer)?.isFlex === true)
    bill.microUsd += microUsd
    bill.usage = sumOf(bill.usage, usage)
    return { microUsd, tokens: usage.inputTokens + usage.outputTokens }
  }
}

function faultOf({ finish, text = '' }: Reply, validate: Validate): string | undefined {
  return finish === undefined ? validate(objectIn(text)) : undefined
}

function checked(answer: unknown, prompt: Prompt, schema: unknown) {
  return grounded(answer as Record<string, unknown>, { ...prompt, schema })
}

function sumOf(sum: ModelUsage | undefined, { inputTokens, outputTokens, cachedTokens }: ModelUsage): ModelUsage {
  const cached =
    sum?.cachedTokens === undefined && cachedTokens === undefined
      ? {}
      : { cachedTokens: (sum?.cachedTokens ?? 0) + (cachedTokens ?? 0) }
  return {
    inputTokens: (sum?.inputTokens ?? 0) + inputTokens,
    outputTokens: (sum?.outputTokens ?? 0) + outputTokens,
    ...cached,
  }
}
