import type { Answer } from '../shared/ai/sink.ts'
import type { Envelope } from '../shared/envelope.ts'
import { MailError } from '../shared/error.ts'
import type { TaskSentFact } from '../shared/fact.ts'
import type { Message } from '../shared/message.ts'
import { follow, joined, type Outcome, SENDER, type Stage, type StageContext } from '../shared/stage.ts'
import { analysisResults, type DueTask, dueTasks } from '../shared/streams.ts'
import type { Task } from '../shared/task/schema.ts'
import { buildTask } from '../shared/task/task.ts'

type Item = Envelope<DueTask>

// Every provider takes so many in a call (learn.microsoft.com/graph/json-batching#batch-size-limitations).
const FETCHED_AT_ONCE = 20

/**
 * Builds the task of a waiting thread, sends it to the sink, and records the answer. A version that was sent, or that a newer one overtook,
 * is skipped. Each task is a batch of its own, so that a lost process repeats only the calls it was waiting for.
 */
export const aiSend: Stage<DueTask> = {
  name: SENDER,
  reads: [dueTasks],
  writes: [analysisResults],
  pace: { size: 1, calls: true, waitMs: 0, concurrency: 3 },

  async handle({ items }, ctx) {
    return joined(await Promise.all(items.map(item => send(item, ctx))))
  },

  deadLetter: () => ({}),
}

async function send(item: Item, ctx: StageContext): Promise<Outcome<DueTask>> {
  if (!ctx.sending) return {}
  const { thread, version } = item.body
  // A newer version may come during this wait, so the versions are read afterwards.
  await ctx.sending.admit(item.lane)
  const { dispatched, sent } = await ctx.ledger.versions(thread)
  if (sent === version) return record(item)
  // The newest version has an entry of its own. A thread without one lost its mail meanwhile.
  if (dispatched !== version) return {}
  const messages = await readMessages(item, ctx)
  if (messages.length === 0) return {}
  const reason = sent === undefined ? 'new' : item.body.reason
  const task = buildTask({ ...item.body, mailbox: item.mailbox, reason }, messages, ctx.task)
  const result = await ctx.sending.send(task, item)
  return record(item, result.outcome === 'answered' ? { task, answer: result.answer, now: ctx.now() } : undefined)
}

// The cache may have lost mail while the thread waited. What the provider no longer has is left out.
async function readMessages({ body: { ids, thread } }: Item, ctx: StageContext): Promise<Message[]> {
  const cached = await ctx.cache.get(ids)
  const lost = ids.filter(id => !cached.has(id))
  const fetched = new Map<string, Message>()
  for (let left = lost; left.length > 0; ) {
    const some = left.slice(0, FETCHED_AT_ONCE).map(id => ({ id, thread, ofThread: left.length }))
    const answers = await ctx.mailbox.fetch(some, ctx.call)
    const messages = [...answers.values()].flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : []))
    // Kept before a failure is thrown, so that the next attempt has less to fetch.
    await ctx.cache.put(messages)
    for (const message of messages) fetched.set(message.id, message)
    for (const answer of answers.values()) {
      if (answer.outcome === 'failed') throw answer.error
      if (answer.outcome === 'throttled') throw throttled(answer)
    }
    // A thread that is fetched whole answers for more than was asked.
    left = left.slice(FETCHED_AT_ONCE).filter(id => !answers.has(id))
  }
  return ids.flatMap(id => cached.get(id) ?? fetched.get(id) ?? [])
}

function throttled({ retryAfterMs }: { retryAfterMs?: number | undefined }): MailError {
  return new MailError(
    'throttled',
    'the provider asks to slow down',
    retryAfterMs === undefined ? {} : { retryAfterMs },
  )
}

function record(item: Item, sent?: { task: Task; answer: Answer; now: number }): Outcome<DueTask> {
  const { thread, version } = item.body
  const fact: TaskSentFact & { from: Item } = { fact: 'task-sent', from: item, thread, version }
  if (!sent) return { facts: [fact] }
  const { task, answer, now } = sent
  const result = { v: 1 as const, task: task.task, mailbox: item.mailbox, thread, version, ...answer, at: now }
  return { facts: [{ ...fact, answer: follow(item, analysisResults, `${item.id}/result`, result, now) }] }
}
