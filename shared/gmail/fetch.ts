import { asMailError, MailError } from '../error.ts'
import type { Call, Fetched, Wanted } from '../mailbox.ts'
import type { Message, MessageId, ThreadId } from '../message.ts'
import type { Flights, Landing } from './flights.ts'
import { failure } from './outcome.ts'
import { idsOf, planRequests, type Request } from './plan.ts'
import { type Got, noMore, type SendOptions, sendTogether } from './send.ts'

/** What fetching needs to know: how to send, and which threads are being read already. */
export interface FetchOptions extends SendOptions {
  flights: Flights
}

/**
 * Fetches messages, each id once: one request alone, several as one batch, more than fit in one as several; a thread of which several are wanted whole, and what else it
 * holds is answered too. What an answer leaves in doubt is failed, to be asked for again, and never another id's outcome; what a thread
 * does not give is asked for by itself. Throws what holds for all of them: throttling, an outage, a dead grant.
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

// Others that want the same threads are told what came of them.
async function readOwn(options: FetchOptions, requests: readonly Request[], call: Call): Promise<Got> {
  const threads = requests.filter(request => 'thread' in request)
  const land = options.flights.takeOff(threads.map(({ thread }) => thread))
  try {
    const got = await sendTogether(options, requests, call)
    land(thread => landingOf(thread, threads.find(request => request.thread === thread)?.ids ?? [], got))
    return got
  } catch (thrown) {
    const failed = failure(asMailError(thrown))
    land(() => ({ messages: new Map(), failed }))
    throw thrown
  }
}

function landingOf(thread: ThreadId, ids: readonly MessageId[], { outcomes, extra }: Got): Landing {
  const reported = ids.flatMap(id => outcomes.get(id) ?? [])
  const failed = reported.find(outcome => outcome.outcome === 'failed' || outcome.outcome === 'throttled')
  const messages = [
    ...reported.flatMap(outcome => (outcome.outcome === 'ok' ? [outcome.message] : [])),
    ...extra.filter(message => message.thread === thread),
  ]
  const byId = new Map(messages.map((message): [MessageId, Message] => [message.id, message]))
  return failed ? { messages: byId, failed } : { messages: byId }
}

// They may be gone, in another thread now, or in one that is too large for one answer.
async function readLacking(options: FetchOptions, ids: readonly MessageId[], call: Call) {
  let got = noMore()
  let fault = new MailError('unavailable', `${options.name}: the answer does not mention the message`)
  try {
    got = await sendTogether(
      options,
      ids.map(message => ({ message })),
      call,
    )
  } catch (thrown) {
    if (!(thrown instanceof MailError) || call.signal.aborted) throw thrown
    fault = thrown
  }
  return new Map(ids.map((id): [MessageId, Fetched] => [id, got.outcomes.get(id) ?? failure(fault)]))
}
