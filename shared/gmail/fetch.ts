import { asMailError, MailError } from '../error.ts'
import type { Call, Fetched, Wanted } from '../mailbox.ts'
import type { Message, MessageId, ThreadId } from '../message.ts'
import { sendWithBodies } from './bodies.ts'
import type { Flights, ThreadRead } from './flights.ts'
import { failure } from './outcome.ts'
import { idsOf, planRequests, type Request } from './plan.ts'
import { emptyResult, type SendOptions, type SendResult } from './send.ts'

/** Options for fetching: how to send, and the thread reads in flight. */
export interface FetchOptions extends SendOptions {
  flights: Flights
}

/**
 * Fetches messages, each id once. One request goes alone, several go as one batch, and more than a batch
 * holds go as several. If several messages of a thread are wanted, the whole thread is fetched, and its other
 * messages are returned too. An id with an ambiguous answer is marked failed, to be retried; it never gets
 * another id's outcome. Messages missing from a thread's answer are requested individually. Throws errors
 * that concern the whole mailbox: throttling, an outage, a dead grant.
 */
export async function fetchMessages(
  options: FetchOptions,
  wanted: readonly Wanted[],
  call: Call,
): Promise<ReadonlyMap<MessageId, Fetched>> {
  const planned = planRequests(wanted)
  const joined = planned.flatMap(request => {
    const landing = 'thread' in request ? options.flights.join(request.thread, call.signal) : undefined
    return landing ? [{ request, landing }] : []
  })
  const own = planned.filter(request => !joined.some(flight => flight.request === request))
  const [{ outcomes, extra }, ...landed] = await Promise.all([
    readOwn(options, own, call),
    ...joined.map(async ({ request, landing }) => ({ request, landing: await landing })),
  ])
  for (const { request, landing } of landed) {
    for (const id of idsOf(request)) {
      const message = landing.messages.get(id)
      if (message) outcomes.set(id, { outcome: 'ok', message })
      else if (landing.failed) outcomes.set(id, landing.failed)
    }
  }
  const lacking = planned.flatMap(idsOf).filter(id => !outcomes.has(id))
  const found = await readLacking(options, lacking, call)
  const reported = [...wanted.map(({ id }) => id), ...extra.map(({ id }) => id)]
  const along = new Map(extra.map((message): [MessageId, Fetched] => [message.id, { outcome: 'ok', message }]))
  const of = (id: MessageId) => found.get(id) ?? outcomes.get(id) ?? along.get(id)
  return new Map(
    reported.flatMap((id): [MessageId, Fetched][] => {
      const outcome = of(id)
      return outcome ? [[id, outcome]] : []
    }),
  )
}

// Other fetches that want the same threads receive the result.
async function readOwn(options: FetchOptions, requests: readonly Request[], call: Call): Promise<SendResult> {
  const threads = requests.filter(request => 'thread' in request)
  const land = options.flights.takeOff(threads.map(({ thread }) => thread))
  try {
    const got = await sendWithBodies(options, requests, call)
    land(thread => threadReadOf(thread, threads.find(request => request.thread === thread)?.ids ?? [], got))
    return got
  } catch (thrown) {
    const failed = failure(asMailError(thrown))
    land(() => ({ messages: new Map(), failed }))
    throw thrown
  }
}

function threadReadOf(thread: ThreadId, ids: readonly MessageId[], { outcomes, extra }: SendResult): ThreadRead {
  const reported = ids.flatMap(id => outcomes.get(id) ?? [])
  const failed = reported.find(outcome => outcome.outcome === 'failed' || outcome.outcome === 'throttled')
  const messages = [
    ...reported.flatMap(outcome => (outcome.outcome === 'ok' ? [outcome.message] : [])),
    ...extra.filter(message => message.thread === thread),
  ]
  const byId = new Map(messages.map((message): [MessageId, Message] => [message.id, message]))
  return failed ? { messages: byId, failed } : { messages: byId }
}

// The messages may be gone, in another thread now, or in a thread that is too large for one answer.
async function readLacking(options: FetchOptions, ids: readonly MessageId[], call: Call) {
  let got = emptyResult()
  let fault: MailError | undefined
  try {
    got = await sendWithBodies(
      options,
      ids.map(message => ({ message })),
      call,
    )
  } catch (thrown) {
    if (!(thrown instanceof MailError) || call.signal.aborted) throw thrown
    fault = thrown
  }
  const missing = () =>
    fault ?? new MailError('unavailable', `${options.name}: the answer does not mention the message`)
  return new Map(ids.map((id): [MessageId, Fetched] => [id, got.outcomes.get(id) ?? failure(missing())]))
}
