import { from, lastValueFrom, mergeMap, toArray } from 'rxjs'
import type { Answer, Sink } from '../../shared/ai/sink.ts'
import type { Spending } from '../../shared/ai/spending.ts'
import type { Envelope } from '../../shared/envelope.ts'
import { asMailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { readResult } from '../../shared/redis/results.ts'
import { type ThreadChange, threads } from '../../shared/streams.ts'
import type { TaskResult } from '../../shared/task/result.ts'
import { buildTask } from '../../shared/task/task.ts'
import type { AppContext } from '../base/app.ts'
import { taskOptions } from '../base/task-settings.ts'
import { grouped, recordedIn } from '../records/recorded.ts'
import { readMessages } from './recorded-mailbox.ts'

/** A thread of a trial: its latest answer, where there is one, and the new answer or why there is none. */
export interface Tried {
  mailbox: MailboxId
  thread: string
  subject: string
  before: TaskResult | undefined
  after: Answer | undefined
  fault: string | undefined
}

/** What a trial asks, about how many threads, and with which money. */
export interface TrialOptions {
  sink: Sink
  spending: Spending
  sample: number
  mailbox?: MailboxId | undefined
  signal: AbortSignal
}

/**
 * Asks a sink about the newest threads of the records. Dispatches nothing and changes no answer. Threads whose mail is no longer cached, and
 * those beyond the spending, have a fault instead of an answer.
 */
export async function tryThreads(app: AppContext, options: TrialOptions): Promise<Tried[]> {
  const changes = await newestThreads(app, options)
  const tried = from(changes).pipe(
    mergeMap(change => tryThread(app, change, options), app.config.AI_CONCURRENCY),
    toArray(),
  )
  const inAnyOrder = await lastValueFrom(tried, { defaultValue: [] })
  const place = ({ mailbox, thread }: Tried) =>
    changes.findIndex(one => one.mailbox === mailbox && one.body.thread === thread)
  return inAnyOrder.toSorted((a, b) => place(a) - place(b))
}

async function newestThreads(
  app: AppContext,
  { mailbox, sample, signal }: TrialOptions,
): Promise<Envelope<ThreadChange>[]> {
  const found: Envelope<ThreadChange>[] = []
  for await (const { envelope } of recordedIn(app, threads, { mailbox, newestFirst: true, signal }))
    found.push(envelope)
  const newest = grouped(
    found.toSorted((a, b) => b.at - a.at),
    ({ mailbox: of, body }) => `${of} ${body.thread}`,
  )
  return [...newest.values()].flatMap(([first]) => first ?? []).slice(0, sample)
}

async function tryThread(
  app: AppContext,
  { mailbox, lane, body }: Envelope<ThreadChange>,
  { sink, spending, signal }: TrialOptions,
): Promise<Tried> {
  const { redis, keys, config, now } = app
  const [before, cached] = await Promise.all([
    readResult(redis, keys, mailbox, body.thread),
    readMessages(app, mailbox, body.ids),
  ])
  const messages = body.ids.flatMap(id => cached.get(id) ?? [])
  const known = { mailbox, thread: body.thread, before }
  if (messages.length < body.ids.length) {
    const fault = 'its mail is no longer cached; raise CACHE_MESSAGE_TTL, or sync first'
    return { ...known, subject: '', after: undefined, fault }
  }
  const task = buildTask({ ...body, mailbox }, messages, taskOptions(config))
  const { subject } = task
  try {
    const sent = await sink.send(task, { signal, attempt: 0, lane, now, spending })
    return { ...known, subject, after: sent.outcome === 'answered' ? sent.answer : undefined, fault: undefined }
  } catch (thrown) {
    if (signal.aborted) throw thrown
    return { ...known, subject, after: undefined, fault: asMailError(thrown).message }
  }
}
