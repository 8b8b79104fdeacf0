import fc from 'fast-check'
import t from 'tap'
import type { GmailClient } from '../../../shared/gmail/client.ts'
import { fetchMessages } from '../../../shared/gmail/fetch.ts'
import { QUOTA_COSTS } from '../../../shared/gmail/quota.ts'
import type { Fetched } from '../../../shared/mailbox.ts'
import { apiError, batchAnswer, openCall, resource, type Written } from './google.ts'

const CASES = 2000

// What may have become of a message, and how a part says so.
const TRUTHS = {
  ok: undefined,
  gone: { status: '404 Not Found', body: apiError(404, 'notFound') },
  throttled: { status: '429 Too Many Requests', body: apiError(429, 'rateLimitExceeded') },
  unavailable: { status: '500 Internal Server Error', body: apiError(500, 'backendError') },
  unauthorized: { status: '401 Unauthorized' },
  rejected: { status: '403 Forbidden', body: apiError(403, 'domainPolicy') },
}
type Truth = keyof typeof TRUTHS

// Ids and subjects that no change of a few bytes turns into one another.
const idOf = (index: number) => `18c${String.fromCharCode(97 + index).repeat(13)}`
const subjectOf = (index: number) => `Subject ${String.fromCharCode(65 + index).repeat(12)}`

const seldom = <T>(what: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: what })
const harmless = {
  truths: fc.array(fc.constantFrom(...(Object.keys(TRUTHS) as Truth[])), { minLength: 2, maxLength: 12 }),
  ids: fc.constantFrom('<response-m', 'response-m', '<m'),
  shuffle: fc.option(fc.array(fc.nat(), { minLength: 12, maxLength: 12 }), { freq: 1 }),
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
  truths: Truth[]
  ids: string | undefined
  shuffle: number[] | null
  drop: number | null
  twice: number | null
  bytes: readonly { at: number; byte: number }[]
  cut: number | null
  lf: boolean
  typed: boolean
}

t.test('an answer in any order and spelling gives every id its outcome', async t => {
  const property = fc.asyncProperty(fc.record(harmless), async how => {
    for (const { told, isOfIt } of await outcomesOf(how)) if (!isOfIt) throw new Error(told)
  })
  await fc.assert(property, { numRuns: CASES / 4 })
  t.pass(`${CASES / 4} answers`)
})

t.test('whatever happens to an answer, an id gets its own outcome or is asked for again', async t => {
  const property = fc.asyncProperty(fc.record(harmful), async how => {
    for (const { told, isOfIt, outcome } of await outcomesOf(how)) {
      if (!isOfIt && !isAskedAgain(outcome)) throw new Error(told)
    }
  })
  await fc.assert(property, { numRuns: CASES })
  t.pass(`${CASES} answers`)
})

async function outcomesOf(how: Damage) {
  const ids = how.truths.map((_, index) => idOf(index))
  const options = {
    name: 'gmail:ana@example.com',
    client: clientOf(how),
    costs: QUOTA_COSTS['2026'],
    fields: '*',
    now: Date.now,
  }
  const outcomes = await fetchMessages(options, ids, openCall())
  return how.truths.map((truth, index) => {
    const outcome = outcomes.get(idOf(index))
    if (!outcome || outcomes.size !== ids.length) throw new Error('an id has no outcome, or there is one too many')
    return { outcome, isOfIt: isRight(outcome, truth, index), told: `${truth} became ${JSON.stringify(outcome)}` }
  })
}

function damaged({ truths, ids, shuffle, drop, twice, bytes, cut, lf, typed }: Damage) {
  const parts = truths.map(
    (truth, index): Written => ({
      contentId: ids === undefined || ids === 'response-' ? ids : `${ids}${index}${ids.startsWith('<') ? '>' : ''}`,
      ...(TRUTHS[truth] ?? { body: resource(idOf(index), subjectOf(index)) }),
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

// The batch answer is damaged; a message that is asked for on its own is answered truly.
function clientOf(how: Damage): GmailClient {
  return {
    postBatch: async () => damaged(how),
    async ask(_, request) {
      let asked = ''
      const get = async ({ id }: { id: string }) => {
        asked = id
      }
      await request({ users: { messages: { get } } } as never, { signal: new AbortController().signal })
      const index = how.truths.findIndex((_, at) => idOf(at) === asked)
      const told = TRUTHS[how.truths[index] ?? 'ok']
      if (!told) return { status: 200, body: resource(asked, subjectOf(index)) }
      return { status: Number.parseInt(told.status, 10), body: 'body' in told ? told.body : '' }
    },
  }
}

function isRight(outcome: Fetched, truth: Truth, index: number): boolean {
  if (outcome.outcome === 'ok')
    return truth === 'ok' && outcome.message.id === idOf(index) && isOwn(outcome.message.subject, index)
  if (outcome.outcome === 'failed') return outcome.error.kind === truth
  return outcome.outcome === truth
}

// Its own subject but for damaged bytes, or none at all.
function isOwn(subject: string, index: number): boolean {
  const letters = [...subject.matchAll(/[A-L]/g)].map(([letter]) => letter)
  const own = letters.filter(letter => letter === subjectOf(index).at(-1)).length
  return letters.length === 0 || own >= letters.length - 3
}

// Neither final nor a message: the pipeline asks for it again.
function isAskedAgain(outcome: Fetched): boolean {
  if (outcome.outcome === 'throttled') return true
  return outcome.outcome === 'failed' && ['unavailable', 'unparsable', 'unauthorized'].includes(outcome.error.kind)
}
