import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call, Fetched, Wanted } from '../mailbox.ts'
import type { MessageId } from '../message.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'
import { NOT_SENT, withBody } from './body.ts'
import { errorOf, isNotFound } from './errors.ts'
import { askedFields, readMessage } from './message.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { askTogether, isTooLarge, type TogetherOptions } from './together.ts'

/** Options for fetching. `user` is the path of the mailbox's owner, such as `/me`. */
export interface FetchOptions extends TogetherOptions {
  name: string
  user: string
  filter: LabelFilter
  /** Returns the reason to leave out mail in this folder; `undefined` if it is read. */
  leftOutIn: (folder: string) => string | undefined
}

/**
 * Fetches messages in batches, one after the other, or one message alone. If some were throttled, all of
 * those wait for the longest time that was named. Throws errors that concern the whole mailbox: throttling,
 * an outage, a dead grant.
 */
export async function fetchMessages(
  options: FetchOptions,
  wanted: readonly Pick<Wanted, 'id'>[],
  call: Call,
): Promise<ReadonlyMap<MessageId, Fetched>> {
  const ids = [...new Set(wanted.map(({ id }) => id))]
  if (ids.length === 0) return new Map()
  const { name, user } = options
  const alone = ids.length === 1
  const doing = alone ? `getting a message of ${name}` : `a batch of ${ids.length} messages of ${name}`
  const kind = alone ? 'single' : 'batch'
  const ask = (some: readonly MessageId[], texts: boolean) => {
    const fields = askedFields({ texts, headers: options.headers ?? false })
    const urls = some.map(id => `${user}/messages/${encodeURIComponent(id)}?$select=${fields}`)
    return askTogether(options, urls, { doing, call, kind, prefer: IMMUTABLE_IDS })
  }
  const answers = await ask(ids, options.htmlToText !== undefined)
  const large = ids.filter((_, place) => isTooLarge(answers[place]))
  const bare = large.length > 0 ? await ask(large, false) : []
  const outcomes = await Promise.all(
    ids.map((id, place) => {
      const isBare = large.includes(id)
      const answer = isBare ? bare[large.indexOf(id)] : answers[place]
      return withText(options, outcomeOf(options, { id, doing }, answer), { answer, isBare })
    }),
  )
  const isServed = answers.some(answer => answer?.status === 200)
  const waits = outcomes.flatMap(one => (one.outcome === 'throttled' ? (one.retryAfterMs ?? []) : []))
  const longest = waits.length === 0 ? {} : { retryAfterMs: Math.max(...waits) }
  const [first] = outcomes
  if (alone && first) throwIfForAll(first, answers[0], { doing, now: options.now })
  return new Map(
    ids.map((id, place): [MessageId, Fetched] => {
      const outcome = outcomes[place] ?? { outcome: 'throttled' }
      if (outcome.outcome === 'throttled') return [id, { outcome: 'throttled', ...longest }]
      return [id, isServed ? limitedToMessage(outcome) : outcome]
    }),
  )
}

const NO_TEXTS =
  'Microsoft shows no texts to this application; grant Mail.Read and connect the mailbox again, or set MESSAGE_BODY=snippet'

async function withText(
  { htmlToText, name }: FetchOptions,
  outcome: Fetched,
  { answer, isBare }: { answer: Answer | undefined; isBare: boolean },
): Promise<Fetched> {
  if (!htmlToText || outcome.outcome !== 'ok') return outcome
  if (isBare) return { outcome: 'ok', message: { ...outcome.message, body: NOT_SENT } }
  const message = await withBody(outcome.message, answer?.body, htmlToText)
  return message ? { outcome: 'ok', message } : failed('misconfigured', `${name}: ${NO_TEXTS}`)
}

function outcomeOf(
  { filter, leftOutIn, now }: FetchOptions,
  { id, doing }: { id: MessageId; doing: string },
  answer: Answer | undefined,
): Fetched {
  if (!answer) return failed('unavailable', `${doing}: the answer does not mention the message`)
  if (isNotFound(answer)) return { outcome: 'gone' }
  if (answer.status === 200 && (typeof answer.body !== 'object' || answer.body === null)) {
    return failed('unavailable', `${doing}: Microsoft's answer is not JSON; it was damaged in transit`)
  }
  if (answer.status === 200) {
    const read = readMessage(answer.body, now())
    if (read?.message.id !== id)
      return failed(
        'unparsable',
        `${doing}: Microsoft's answer contains ${read ? 'another message than the requested one' : 'no message'}`,
      )
    const reason = leftOutIn(read.folder ?? '') ?? leftOut(read.message.labels, filter)
    return reason === undefined ? { outcome: 'ok', message: read.message } : { outcome: 'filtered', reason }
  }
  const error = errorOf(answer, doing, { now })
  if (error.kind !== 'throttled') return { outcome: 'failed', error }
  return { outcome: 'throttled', ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }) }
}

// If other messages were served, a forbidden message says nothing about the account.
function limitedToMessage(outcome: Fetched): Fetched {
  if (outcome.outcome !== 'failed' || outcome.error.kind !== 'unauthorized') return outcome
  return { outcome: 'failed', error: new MailError('rejected', outcome.error.message) }
}

// The answer for a single message also speaks for the whole mailbox.
function throwIfForAll(
  outcome: Fetched,
  answer: Answer | undefined,
  { doing, now }: { doing: string; now: () => number },
) {
  if (outcome.outcome === 'throttled' && answer) throw errorOf(answer, doing, { now })
  if (outcome.outcome !== 'failed' || outcome.error.blames === 'access') return
  if (['unavailable', 'unauthorized', 'misconfigured'].includes(outcome.error.kind)) throw outcome.error
}

function failed(kind: 'unavailable' | 'unparsable' | 'misconfigured', message: string): Fetched {
  return { outcome: 'failed', error: new MailError(kind, message) }
}
