import type { TextReading } from '../body/read-body.ts'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { acquirePermit, spend } from '../http/sender.ts'
import type { Call, Fetched } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import { encodeBatch, matchParts, type Part, parseBatch } from './batch.ts'
import type { BatchAnswer, GmailClient } from './client.ts'
import { errorOf } from './errors.ts'
import { doingOf, failure, holdsForAll, isFinal, type Judge, judge, type Verdict } from './outcome.ts'
import { idsOf, pathOf, queryOf, type Request, unitsOf } from './plan.ts'
import type { QuotaCosts } from './quota.ts'
import { spentOn } from './spend.ts'

/** Options for sending. `fields` is the partial answer to request; `id` and `threadId` are added. */
export interface SendOptions extends Judge {
  client: GmailClient
  costs: QuotaCosts
  fields: string
  /** The maximum number of requests in one batch. */
  batchSize: number
  /** How texts are read; without it only previews are. */
  texts?: TextReading | undefined
}

/**
 * The outcomes of ids, and unrequested messages that came along. An id without an outcome was missing from
 * its thread's answer.
 */
export interface SendResult {
  outcomes: Map<MessageId, Fetched>
  extra: Message[]
}

const SINGLES_AT_ONCE = 5
const NO_ANSWER: Answer = { status: 0, body: '' }

/** Returns an empty result. */
export function emptyResult(): SendResult {
  return { outcomes: new Map(), extra: [] }
}

/**
 * Sends one request alone, or several as one batch. Sends several batches in sequence if there are too many
 * requests, or the quota or the size of the answer demands it. Throws errors that concern the whole mailbox; after a first answer, the
 * remaining ids get the error as their outcome instead.
 */
export async function sendTogether(
  options: SendOptions,
  requests: readonly Request[],
  call: Call,
): Promise<SendResult> {
  const got = emptyResult()
  let left = requests
  let size = options.batchSize
  while (left.length > 0) {
    const some = left.slice(0, size)
    try {
      const sent = await sendSome(options, some, call)
      addResults(got, sent)
      left = left.slice(sent.count)
    } catch (thrown) {
      if (!(thrown instanceof MailError) || call.signal.aborted) throw thrown
      if (thrown.isTooLarge && some.length > 1) size = Math.ceil(some.length / 2)
      else if (thrown.isTooLarge && isDivisible(some)) left = [...smaller(some), ...left.slice(1)]
      else if (left === requests) throw thrown
      else {
        for (const id of left.flatMap(idsOf)) got.outcomes.set(id, failure(thrown))
        left = []
      }
    }
  }
  return got
}

async function sendSome(options: SendOptions, some: readonly Request[], call: Call) {
  const [first] = some
  if (some.length === 1 && first) return { count: 1, ...(await sendOne(options, first, call)) }
  return sendBatch(options, some, call)
}

// A thread that is too large comes message by message, and a message without its texts.
function isDivisible([first]: readonly Request[]): boolean {
  return first !== undefined && !('headersOnly' in first)
}

function smaller([first]: readonly Request[]): Request[] {
  if (!first) return []
  if ('thread' in first) return first.ids.map(message => ({ message }))
  return [{ message: first.message, headersOnly: true }]
}

// Sends as many of the requests as the quota allows now.
async function sendBatch(options: SendOptions, requests: readonly Request[], call: Call) {
  const { client, costs } = options
  const doing = `a batch of ${requests.length} requests of ${options.name}`
  const units = requests.map(request => unitsOf(request, costs))
  const taken = await acquirePermit(call, units, doing)
  const { count } = taken
  const some = requests.slice(0, count)
  const cost = units.slice(0, count).reduce((sum, one) => sum + one, 0)
  const send = async () => {
    const parts = some.map((request, index) => ({ contentId: `m${index}`, path: pathOf(request, options) }))
    return readAnswer(await client.postBatch({ doing, call, kind: 'batch', units: cost }, encodeBatch(parts)), count)
  }
  const { outer, readable, answers, proven } = await spend(taken, cost, send, ({ outer, readable, answers }) => {
    if (outer.status !== 200) return spentOn([{ answer: outer, units: cost }], options.now)
    if (!readable) return { units: cost }
    return spentOn(
      answers.map((answer = NO_ANSWER, index) => ({ answer, units: units[index] ?? 0 })),
      options.now,
    )
  })
  if (outer.status !== 200) throw errorOf(outer, doing, options)
  if (!readable) return { count, ...(await sendSingly(options, some, call)) }
  const { got, mayBeStale } = judgeAnswers(options, some, { answers, proven })
  addResults(got, await sendSingly(options, mayBeStale, call))
  return { count, ...got }
}

// Returns the outer answer first, then each request's answer, if there is one.
function readAnswer(answer: BatchAnswer, count: number) {
  const outer: Answer = { ...answer, body: answer.status === 200 ? '' : json(answer.body) }
  const read = answer.status === 200 ? parseBatch(answer.contentType, answer.body) : []
  const ids = Array.from({ length: count }, (_, index) => `m${index}`)
  const { parts, proven } = matchParts(ids, read)
  return {
    outer,
    readable: read.some(part => part.status > 0),
    answers: ids.map(id => answerIn(parts.get(id))),
    // Without its last line the answer was truncated, perhaps in the middle of a part.
    proven: proven && answer.body.trimEnd().endsWith('--'),
  }
}

// Trusts an inconsistent answer only for retryable outcomes. A final outcome needs an unambiguous answer for
// that message.
function judgeAnswers(
  options: SendOptions,
  requests: readonly Request[],
  { answers, proven }: { answers: readonly (Answer | undefined)[]; proven: boolean },
) {
  const got = emptyResult()
  const mayBeStale: Request[] = []
  const isServed = answers.some(answer => answer?.status === 200)
  requests.forEach((request, index) => {
    const answer = answers[index]
    if (!answer) {
      const error = new MailError('unavailable', `${doingOf(options, request)}: the batch answer does not mention it`)
      for (const id of idsOf(request)) got.outcomes.set(id, failure(error))
      return
    }
    const judged = judge(options, request, answer)
    const { outcomes, extra } = isServed ? limitedToRequest(request, answer, judged) : judged
    if (!proven && [...outcomes.values()].some(isFinal)) mayBeStale.push(request)
    addResults(got, { outcomes, extra: proven ? extra : [] })
  })
  return { got, mayBeStale }
}

// If other parts succeeded, a forbidden message says nothing about the account, and a forbidden thread nothing
// about its other messages.
function limitedToRequest(request: Request, answer: Answer, { outcomes, extra }: Verdict): Verdict {
  const isForbidden = (outcome: Fetched) => outcome.outcome === 'failed' && outcome.error.kind === 'unauthorized'
  if (answer.status !== 403 || ![...outcomes.values()].some(isForbidden)) return { outcomes, extra }
  if ('thread' in request) return { outcomes: new Map(), extra: [] }
  const rejected = (outcome: Fetched) =>
    outcome.outcome === 'failed' ? failure(new MailError('rejected', outcome.error.message)) : outcome
  return { outcomes: new Map([...outcomes].map(([id, outcome]) => [id, rejected(outcome)])), extra }
}

async function sendOne(options: SendOptions, request: Request, call: Call): Promise<SendResult> {
  const { client, costs } = options
  const doing = doingOf(options, request)
  const kind = 'thread' in request ? 'thread' : 'single'
  const answer = await client.ask({ doing, call, kind, units: unitsOf(request, costs) }, ({ users }, inner) => {
    const query = { userId: 'me', ...queryOf(request, options) }
    return 'thread' in request
      ? users.threads.get({ ...query, id: request.thread }, inner)
      : users.messages.get({ ...query, id: request.message }, inner)
  })
  const { outcomes, extra } = judge(options, request, answer)
  for (const outcome of outcomes.values()) {
    const isError = outcome.outcome === 'failed' && holdsForAll(outcome.error)
    if (isError || outcome.outcome === 'throttled') throw errorOf(answer, doing, options)
  }
  return { outcomes: new Map(outcomes), extra: [...extra] }
}

// An error of the whole mailbox ends all remaining requests without sending them.
async function sendSingly(options: SendOptions, requests: readonly Request[], call: Call): Promise<SendResult> {
  const got = emptyResult()
  const waiting = [...requests]
  let refusal: MailError | undefined
  const work = async () => {
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      try {
        if (refusal) throw refusal
        addResults(got, await sendOne(options, request, call))
      } catch (thrown) {
        if (!(thrown instanceof MailError)) throw thrown
        refusal = thrown
        for (const id of idsOf(request)) got.outcomes.set(id, failure(thrown))
      }
    }
  }
  await Promise.all(Array.from({ length: SINGLES_AT_ONCE }, work))
  if (refusal && call.signal.aborted) throw refusal
  return got
}

function addResults(
  got: SendResult,
  more: { outcomes: ReadonlyMap<MessageId, Fetched>; extra: readonly Message[] },
): void {
  for (const [id, outcome] of more.outcomes) got.outcomes.set(id, outcome)
  got.extra.push(...more.extra)
}

/** Returns the answer that a part of a batch holds. */
export function answerIn(part: Part | undefined): Answer | undefined {
  return part && { status: part.status, body: json(part.body), retryAfter: part.headers.get('retry-after') }
}

/** Parses JSON; returns any other text as it is. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
