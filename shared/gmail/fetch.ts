import { asMailError, MailError } from '../error.ts'
import type { Call, Fetched } from '../mailbox.ts'
import type { MessageId } from '../message.ts'
import { encodeBatch, matchParts, parseBatch } from './batch.ts'
import type { GmailClient } from './client.ts'
import { type Answer, errorOf, isNotFound } from './errors.ts'
import { readMessage, WANTED_HEADERS } from './message.ts'
import type { QuotaCosts } from './quota.ts'

/** What fetching needs to know: `fields` is the partial answer that is asked for, to which `id` and `threadId` are added. */
export interface FetchOptions {
  name: string
  client: GmailClient
  costs: QuotaCosts
  fields: string
  now: () => number
}

/** How many parts a batch may have (developers.google.com/gmail/api/guides/batch). */
const MOST_A_BATCH = 100
const SINGLES_AT_ONCE = 5

/**
 * Fetches messages, each id once: one by a request of its own, several as one batch. What a batch answer leaves in doubt is failed,
 * to be asked for again, and never another id's outcome. Throws what holds for all of them: throttling, an outage, a dead grant.
 */
export async function fetchMessages(options: FetchOptions, ids: readonly MessageId[], call: Call) {
  const outcomes = await fetchAny(options, ids, call)
  return new Map(ids.map((id): [MessageId, Fetched] => [id, outcomes.get(id) ?? notMentioned(options)]))
}

async function fetchAny(options: FetchOptions, ids: readonly MessageId[], call: Call) {
  const [first] = ids
  if (first === undefined) return new Map<MessageId, Fetched>()
  if (ids.length === 1) return new Map([[first, await fetchOne(options, first, call)]])
  if (ids.length <= MOST_A_BATCH) return fetchBatch(options, ids, call)
  throw new MailError(
    'misconfigured',
    `${ids.length} messages in one batch: Gmail takes ${MOST_A_BATCH}; lower GMAIL_BATCH_SIZE`,
  )
}

async function fetchBatch(
  options: FetchOptions,
  ids: readonly MessageId[],
  call: Call,
): Promise<Map<MessageId, Fetched>> {
  const { client, costs } = options
  const doing = `a batch of messages.get of ${options.name}`
  const onSent = () => call.meter('batch', ids.length * costs.messageGet)
  const requests = ids.map((id, index) => ({ contentId: `m${index}`, path: pathOf(options, id) }))
  const answer = await client.postBatch({ doing, signal: call.signal, onSent }, encodeBatch(requests))
  if (answer.status !== 200) throw errorOf({ ...answer, body: json(answer.body) }, doing, options)
  const parts = parseBatch(answer.contentType, answer.body)
  if (!parts.some(part => part.status > 0)) return fetchSingly(options, ids, call)
  const matched = matchParts(
    requests.map(({ contentId }) => contentId),
    parts,
  )
  const outcomes = new Map<MessageId, Fetched>()
  ids.forEach((id, index) => {
    const part = matched.parts.get(`m${index}`)
    if (part)
      outcomes.set(
        id,
        outcomeOf(options, id, { ...part, body: json(part.body), retryAfter: part.headers.get('retry-after') }),
      )
  })
  // Without its last line it was cut short, perhaps in the middle of a part.
  if (matched.proven && answer.body.trimEnd().endsWith('--')) return outcomes
  // An answer in disorder is believed only where it can be asked again; what would be final must be said of the very message.
  const doubtful = ids.filter(id => isFinal(outcomes.get(id)))
  return new Map([...outcomes, ...(await fetchSingly(options, doubtful, call))])
}

async function fetchOne(options: FetchOptions, id: MessageId, call: Call): Promise<Fetched> {
  const doing = `messages.get of ${options.name}`
  const onSent = () => call.meter('single', options.costs.messageGet)
  const answer = await options.client.ask({ doing, signal: call.signal, onSent }, (api, inner) =>
    api.users.messages.get({ userId: 'me', id, ...queryOf(options) }, inner),
  )
  const outcome = outcomeOf(options, id, answer)
  if (outcome.outcome === 'throttled' || (outcome.outcome === 'failed' && holdsForAll(outcome.error))) {
    throw errorOf(answer, doing, options)
  }
  return outcome
}

// What holds for the whole mailbox is met once and not asked for again.
async function fetchSingly(options: FetchOptions, ids: readonly MessageId[], call: Call) {
  const outcomes = new Map<MessageId, Fetched>()
  const waiting = [...ids]
  let refusal: MailError | undefined
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        outcomes.set(id, refusal ? failure(refusal) : await fetchOne(options, id, call))
      } catch (thrown) {
        refusal = asMailError(thrown)
        outcomes.set(id, failure(refusal))
      }
    }
  }
  await Promise.all(Array.from({ length: SINGLES_AT_ONCE }, work))
  if (refusal && call.signal.aborted) throw refusal
  return outcomes
}

function outcomeOf(options: FetchOptions, id: MessageId, answer: Answer): Fetched {
  if (isNotFound(answer)) return { outcome: 'gone' }
  const doing = `messages.get of ${options.name}`
  if (answer.status === 200) {
    const message = readMessage(answer.body)
    if (message?.id === id) return { outcome: 'ok', message }
    const what = message ? 'another message than was asked for' : 'no message'
    return failure(new MailError('unparsable', `${doing}: Google's answer holds ${what}`))
  }
  if (answer.status < 400)
    return failure(new MailError('unparsable', `${doing}: Google answered ${answer.status || 'nothing readable'}`))
  return failure(errorOf(answer, doing, options))
}

function failure(error: MailError): Fetched {
  if (error.kind !== 'throttled') return { outcome: 'failed', error }
  return { outcome: 'throttled', ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }) }
}

function notMentioned(options: FetchOptions): Fetched {
  return failure(
    new MailError('unavailable', `messages.get of ${options.name}: the batch answer does not mention the message`),
  )
}

function holdsForAll({ kind }: MailError): boolean {
  return kind === 'unavailable' || kind === 'unauthorized' || kind === 'misconfigured'
}

function isFinal(outcome: Fetched | undefined): boolean {
  if (outcome?.outcome === 'failed') return !holdsForAll(outcome.error)
  return outcome?.outcome === 'gone'
}

function queryOf({ fields }: FetchOptions) {
  const outermost = fields.replace(/\([^()]*\)/g, '').split(',')
  const missing = outermost.includes('*') ? [] : ['id', 'threadId'].filter(name => !outermost.includes(name))
  return { format: 'metadata', metadataHeaders: [...WANTED_HEADERS], fields: [...missing, fields].join(',') }
}

function pathOf(options: FetchOptions, id: MessageId): string {
  const { format, metadataHeaders, fields } = queryOf(options)
  const query = [['format', format], ...metadataHeaders.map(name => ['metadataHeaders', name]), ['fields', fields]]
  const text = query.map(([name = '', value = '']) => `${name}=${encodeURIComponent(value)}`).join('&')
  return `/gmail/v1/users/me/messages/${encodeURIComponent(id)}?${text}`
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
