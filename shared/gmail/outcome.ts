import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Fetched } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import { errorOf, isNotFound } from './errors.ts'
import { readMessage } from './message.ts'
import type { Request } from './plan.ts'

/** Context for judging answers: the mailbox's name for messages, and the time for dates. */
export interface Judge {
  name: string
  now: () => number
  /** Receives the payload of each message that was asked for with its texts. */
  onPayload?: ((message: Message, payload: unknown) => void) | undefined
}

/**
 * The outcomes that an answer gives for the requested ids. Ids in neither field are undecided and must be
 * requested individually.
 */
export interface Verdict {
  outcomes: ReadonlyMap<MessageId, Fetched>
  /** Unrequested messages of an intact thread. */
  extra: readonly Message[]
}

/**
 * Judges the answer to a request. A thread that cannot be read completely decides nothing, and neither does
 * one that lacks a requested id.
 */
export function judge(options: Judge, request: Request, answer: Answer): Verdict {
  if ('message' in request) {
    const reading = request.headersOnly ? { ...options, onPayload: undefined } : options
    return { outcomes: new Map([[request.message, outcomeOf(reading, request.message, answer)]]), extra: [] }
  }
  if (answer.status === 200) return judgeThread(options, request, answer.body)
  const error = errorOf(answer, doingOf(options, request), options)
  if (error.kind !== 'throttled' && !holdsForAll(error)) return { outcomes: new Map(), extra: [] }
  return { outcomes: new Map(request.ids.map(id => [id, failure(error)])), extra: [] }
}

const withPayload = z.object({ payload: z.unknown() })

function readWhole({ now, onPayload }: Judge, body: unknown): Message | undefined {
  const message = readMessage(body, now())
  if (message) onPayload?.(message, withPayload.safeParse(body).data?.payload)
  return message
}

const resource = z.object({ id: z.string(), messages: z.array(z.unknown()) })

function judgeThread(options: Judge, { thread, ids }: Extract<Request, { thread: string }>, body: unknown): Verdict {
  const outcomes = new Map<MessageId, Fetched>()
  const read = resource.safeParse(body).data
  if (read?.id !== thread) return { outcomes, extra: [] }
  const messages = read.messages.map(one => readWhole(options, one))
  const found = new Map<MessageId, Message>()
  const disputed = new Set<MessageId>()
  for (const message of messages) {
    if (message?.thread !== thread) continue
    if (found.has(message.id)) disputed.add(message.id)
    found.set(message.id, message)
  }
  for (const id of disputed) found.delete(id)
  for (const id of ids) {
    const message = found.get(id)
    if (message) outcomes.set(id, { outcome: 'ok', message })
  }
  // If anything is inconsistent, an id may be damaged. Unrequested messages are dropped then, because nobody
  // would miss them.
  const sound = found.size === messages.length && outcomes.size === ids.length
  return { outcomes, extra: sound ? [...found.values()].filter(({ id }) => !outcomes.has(id)) : [] }
}

function outcomeOf(options: Judge, id: MessageId, answer: Answer): Fetched {
  if (isNotFound(answer)) return { outcome: 'gone' }
  const doing = `messages.get of ${options.name}`
  if (answer.status === 200) {
    const message = readWhole(options, answer.body)
    if (message?.id === id) return { outcome: 'ok', message }
    const what = message ? 'another message than the requested one' : 'no message'
    return failure(new MailError('unparsable', `${doing}: Google's answer contains ${what}`))
  }
  if (answer.status < 300)
    return failure(new MailError('unparsable', `${doing}: Google answered ${answer.status || 'nothing readable'}`))
  return failure(errorOf(answer, doing, options))
}

/** Names a request for messages. */
export function doingOf({ name }: Pick<Judge, 'name'>, request: Request): string {
  return `${'thread' in request ? 'threads.get' : 'messages.get'} of ${name}`
}

/** Returns an error as the outcome of one id. */
export function failure(error: MailError): Fetched {
  if (error.kind !== 'throttled') return { outcome: 'failed', error }
  return { outcome: 'throttled', ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }) }
}

/** Whether an error concerns the mailbox or the provider, not the message. */
export function holdsForAll({ kind, blames }: MailError): boolean {
  return kind === 'unavailable' || (kind === 'unauthorized' && blames !== 'access') || kind === 'misconfigured'
}

/** Whether an outcome would be an id's last. An inconsistent answer is not trusted with it. */
export function isFinal(outcome: Fetched): boolean {
  if (outcome.outcome === 'failed') return !holdsForAll(outcome.error)
  return outcome.outcome === 'gone'
}
