import fc from 'fast-check'
import type { GmailClient } from '../../../shared/gmail/client.ts'
import { fetchMessages } from '../../../shared/gmail/fetch.ts'
import { createFlights } from '../../../shared/gmail/flights.ts'
import { QUOTA_COSTS } from '../../../shared/gmail/quota.ts'
import type { Fetched } from '../../../shared/mailbox.ts'
import { apiError, batchAnswer, openCall, resource, type Written } from './google.ts'

// Stacks of expected errors are never read.
Error.stackTraceLimit = 0

// The true fate of a message or a thread, and the part that reports it.
const TRUTHS = {
  ok: undefined,
  gone: { status: '404 Not Found', body: apiError(404, 'notFound') },
  throttled: { status: '429 Too Many Requests', body: apiError(429, 'rateLimitExceeded') },
  unavailable: { status: '500 Internal Server Error', body: apiError(500, 'backendError') },
  unauthorized: { status: '401 Unauthorized' },
  rejected: { status: '400 Bad Request', body: apiError(400, 'invalidArgument') },
}
type Truth = keyof typeof TRUTHS
const FOR_ALL: readonly Truth[] = ['throttled', 'unavailable', 'unauthorized']

// Ids and subjects that no change of a few bytes can confuse.
const idOf = (index: number) => `18c${String.fromCharCode(97 + index).repeat(13)}`
const threadIdOf = (thread: number) => `19d${String.fromCharCode(97 + thread).repeat(13)}`
const subjectOf = (index: number) => `Subject ${String.fromCharCode(65 + index).repeat(12)}`
const indexOf = (id: string) => id.charCodeAt(3) - 97

const MESSAGES = 7
const THREADS = 3
const seldom = <T>(what: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: what })
const truth = fc.constantFrom(...(Object.keys(TRUTHS) as Truth[]))
const harmless = {
  // A message outside these threads is alone in its own thread.
  messages: fc.array(fc.record({ truth, thread: fc.nat({ max: THREADS + 2 }) }), { minLength: 2, maxLength: MESSAGES }),
  threads: fc.tuple(
    ...Array.from({ length: THREADS }, () => fc.oneof({ weight: 3, arbitrary: fc.constant('ok' as const) }, truth)),
  ),
  ids: fc.constantFrom('<response-m', 'response-m', '<m'),
  shuffle: fc.option(fc.array(fc.nat(), { minLength: MESSAGES, maxLength: MESSAGES }), { freq: 1 }),
  drop: fc.constant(null),
  twice: fc.constant(null),
  bytes: fc.constant([]),
  cut: fc.constant(null),
  lf: fc.boolean(),
  typed: fc.boolean(),
}
const harmful = {
  ...harmless,
  ids: fc.constantFrom('<response-m', 'response-m', '<m', 'response-', undefined),
  drop: seldom(fc.nat()),
  twice: seldom(fc.nat()),
  bytes: fc.array(fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }), { maxLength: 3 }),
  cut: seldom(fc.nat()),
}
interface Damage {
  messages: { truth: Truth; thread: number }[]
  threads: Truth[]
  ids: string | undefined
  shuffle: number[] | null
  drop: number | null
  twice: number | null
  bytes: readonly { at: number; byte: number }[]
  cut: number | null
  lf: boolean
  typed: boolean
}

/**
 * Tries this many answers that differ in order and spelling or, if `harmful`, in anything. Returns the number
 * tried, or a counterexample.
 */
export async function tryAnswers(
  kind: 'harmless' | 'harmful',
  { cases, seed, limitMs }: { cases: number; seed: number; limitMs: number },
): Promise<number | string> {
  const property = fc.asyncProperty(fc.record<Damage>(kind === 'harmful' ? harmful : harmless), async how => {
    for (const { reported, isOfIt, outcome } of await outcomesOf(how)) {
      if (!isOfIt && !(kind === 'harmful' && isAskedAgain(outcome))) throw new Error(reported)
    }
  })
  const result = await fc.check(property, { numRuns: cases, seed, interruptAfterTimeLimit: limitMs })
  const { failed, interrupted, numRuns } = result
  return failed && !interrupted ? (fc.defaultReportMessage(result) ?? 'failed') : numRuns
}

async function outcomesOf(how: Damage) {
  const options = {
    name: 'gmail:ana@example.com',
    client: clientOf(how),
    costs: QUOTA_COSTS['2026'],
    fields: '*',
    now: Date.now,
    batchSize: 100,
    flights: createFlights(),
  }
  const wanted = how.messages.map((_, index) => ({
    id: idOf(index),
    thread: threadOf(how, index),
  }))
  const outcomes = await fetchMessages(options, wanted, openCall())
  for (const [id, outcome] of outcomes) {
    if (outcome.outcome === 'ok' && outcome.message.id !== id) throw new Error("a message has another id's entry")
  }
  return how.messages.map(({ truth, thread }, index) => {
    const outcome = outcomes.get(idOf(index))
    if (!outcome) throw new Error('an id has no outcome')
    const ofThread = index > 0 ? how.threads[thread] : undefined
    const isOfThread = ofThread !== undefined && FOR_ALL.includes(ofThread) && isRight(outcome, ofThread, index)
    const isOfIt = isOfThread || isRight(outcome, truth, index)
    return { outcome, isOfIt, reported: `${truth} in ${ofThread} became ${JSON.stringify(outcome)}` }
  })
}

// The first message is always alone: a single request is not a batch.
function threadOf({ messages, threads }: Damage, index: number): string {
  const { thread = THREADS } = (index > 0 && messages[index]) || {}
  return threadIdOf(thread < threads.length ? thread : THREADS + index)
}

// Damages batch answers; single requests are answered correctly.
function clientOf(how: Damage): GmailClient {
  return {
    async postBatch(_, { body }) {
      const asked = [...body.matchAll(/GET \/gmail\/v1\/users\/me\/(messages|threads)\/(\w+)/g)]
      return damaged(
        how,
        asked.map(([, kind = '', id = '']) => answerTo(how, kind, id)),
      )
    },
    async ask(_, request) {
      let answer: ReturnType<typeof answerTo> = {}
      const get =
        (kind: string) =>
        async ({ id }: { id: string }) => {
          answer = answerTo(how, kind, id)
        }
      const users = { messages: { get: get('messages') }, threads: { get: get('threads') } }
      await request({ users } as never, { signal: new AbortController().signal })
      return { status: Number.parseInt(answer.status ?? '200', 10), body: answer.body ?? '' }
    },
  }
}

function answerTo(how: Damage, kind: string, id: string): { status?: string; body?: unknown } {
  if (kind === 'messages') {
    const index = indexOf(id)
    return TRUTHS[how.messages[index]?.truth ?? 'ok'] ?? { body: message(how, index) }
  }
  const thread = indexOf(id)
  // One message of each thread was not listed and comes along.
  const inside = how.messages.flatMap(({ truth, thread: of }, index) =>
    of === thread && index > 0 && truth === 'ok' ? [index] : [],
  )
  const messages = [...inside, MESSAGES + thread].map(index => message(how, index, id))
  return TRUTHS[how.threads[thread] ?? 'ok'] ?? { body: { id, messages } }
}

function message(how: Damage, index: number, threadId = threadOf(how, index)) {
  return { ...resource(idOf(index), subjectOf(index)), threadId }
}

function damaged(
  { ids, shuffle, drop, twice, bytes, cut, lf, typed }: Damage,
  answers: readonly { status?: string; body?: unknown }[],
) {
  const parts = answers.map(
    (answer, index): Written => ({
      contentId: ids === undefined || ids === 'response-' ? ids : `${ids}${index}${ids.startsWith('<') ? '>' : ''}`,
      ...answer,
    }),
  )
  if (twice !== null) parts.push(...parts.slice(twice % parts.length).slice(0, 1))
  if (drop !== null) parts.splice(drop % parts.length, 1)
  const order = parts.map((part, index) => ({ part, rank: shuffle?.[index] ?? index }))
  const { headers, body } = batchAnswer(order.sort((a, b) => a.rank - b.rank).map(({ part }) => part))
  const raw = Buffer.from(lf ? body.replaceAll('\r\n', '\n') : body)
  for (const { at, byte } of bytes) raw[at % raw.length] = byte
  const kept = cut === null ? raw : raw.subarray(0, cut % raw.length)
  return { status: 200, contentType: typed ? headers['content-type'] : undefined, body: kept.toString() }
}

function isRight(outcome: Fetched, truth: Truth, index: number): boolean {
  if (outcome.outcome === 'ok')
    return truth === 'ok' && outcome.message.id === idOf(index) && isOwn(outcome.message.subject, index)
  if (outcome.outcome === 'failed') return outcome.error.kind === truth
  return outcome.outcome === truth
}

// Whether a subject is the message's own, apart from damaged bytes, or empty.
function isOwn(subject: string, index: number): boolean {
  const letters = [...subject.matchAll(/[A-L]/g)].map(([letter]) => letter)
  const own = letters.filter(letter => letter === subjectOf(index).at(-1)).length
  return letters.length === 0 || own >= letters.length - 3
}

// Whether an outcome is neither final nor a message, so that the pipeline retries it.
function isAskedAgain(outcome: Fetched): boolean {
  if (outcome.outcome === 'throttled') return true
  return outcome.outcome === 'failed' && ['unavailable', 'unparsable', 'unauthorized'].includes(outcome.error.kind)
}
