import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call, Fetched, Wanted } from '../mailbox.ts'
import type { MessageId } from '../message.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'
import { errorOf, isNotFound } from './errors.ts'
import { ASKED_FIELDS, readMessage } from './message.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { askTogether, type TogetherOptions } from './together.ts'

/** What fetching needs to know; `user` is whose mail a path is of, such as `/me`. */
export interface FetchOptions extends TogetherOptions {
  name: string
  user: string
  filter: LabelFilter
  /** Why mail in this folder is left out; `undefined` where it is not. */
  leftOutIn: (folder: string) => string | undefined
}

/**
 * Fetches messages by batches, one after the other, or one message alone. Where the provider refused some of them, all of those are to be
 * asked for again after the longest time it named. Throws what holds for all of them: throttling, an outage, a dead grant.
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
      return [id, isServed ? ofItsOwn(outcome) : outcome]
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
    return failed('unavailable', `${doing}: Microsoft's answer is no JSON; it was damaged on its way`)
  }
  if (answer.status === 200) {
    const read = readMessage(answer.body, now())
    if (read?.message.id !== id)
      return failed(
        'unparsable',
        `${doing}: Microsoft's answer holds ${read ? 'another message than was asked for' : 'no message'}`,
      )
    const reason = leftOutIn(read.folder ?? '') ?? leftOut(read.message.labels, filter)
    return reason === undefined ? { outcome: 'ok', message: read.message } : { outcome: 'filtered', reason }
  }
  const error = errorOf(answer, doing, { now })
  if (error.kind !== 'throttled') return { outcome: 'failed', error }
  return { outcome: 'throttled', ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }) }
}

// Where others were served a message that is forbidden says nothing of the account.
function ofItsOwn(outcome: Fetched): Fetched {
  if (outcome.outcome !== 'failed' || outcome.error.kind !== 'unauthorized') return outcome
  return { outcome: 'failed', error: new MailError('rejected', outcome.error.message) }
}

// Of a message alone the answer is the provider's word on the whole mailbox as well.
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
