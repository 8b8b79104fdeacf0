import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call, Fetched, Wanted } from '../mailbox.ts'
import type { MessageId } from '../message.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'
import { errorOf, isNotFound } from './errors.ts'
import { ASKED_FIELDS, readMessage } from './message.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { askTogether, type TogetherOptions } from './together.ts'

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
  const urls = ids.map(id => `${user}/messages/${encodeURIComponent(id)}?$select=${ASKED_FIELDS}`)
  const kind = alone ? 'single' : 'batch'
  const answers = await askTogether(options, urls, { doing, call, kind, prefer: IMMUTABLE_IDS })
  const outcomes = ids.map((id, place) => outcomeOf(options, { id, doing }, answers[place]))
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

function failed(kind: 'unavailable' | 'unparsable', message: string): Fetched {
  return { outcome: 'failed', error: new MailError(kind, message) }
}
