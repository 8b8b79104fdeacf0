import type { Envelope, Lane } from '../shared/envelope.ts'
import type { ThreadSettledFact } from '../shared/fact.ts'
import type { MailClass, Message } from '../shared/message.ts'
import { follow, joined, type Outcome, type Stage, type StageContext } from '../shared/stage.ts'
import { analysisTasks, dueTasks, missingIds, type ThreadChange, threads } from '../shared/streams.ts'
import { buildTask, classOfThread } from '../shared/task/task.ts'
import { dispatchTime, withheldBy } from '../shared/task/worth.ts'
import { askContext } from '../shared/windows/refetch.ts'

type Item = Envelope<ThreadChange>

/**
 * Turns each thread version into one self-contained analysis task, and skips versions that were dispatched before. With a sink it hands over
 * the thread instead, and `ai-send` builds the task. Mail of lists and programs goes in the lane `bulk`. A live thread waits for the debounce,
 * in which a newer version may overtake it.
 */
export const aiDispatch: Stage<ThreadChange> = {
  name: 'ai-dispatch',
  reads: [threads],
  writes: [analysisTasks, dueTasks, missingIds],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, ctx) {
    const done = await ctx.ledger.dispatched(batch.items.map(item => item.body.thread))
    const cached = await ctx.cache.get(batch.items.flatMap(item => item.body.ids))
    const outcomes = batch.items.map(item =>
      done.get(item.body.thread) === item.body.version ? settle(item) : dispatch(item, cached, ctx),
    )
    return joined(outcomes)
  },

  deadLetter: item => ({ facts: [{ fact: 'thread-settled', from: item, ...versionOf(item), givenUp: true }] }),
}

function dispatch(item: Item, cached: ReadonlyMap<string, Message>, ctx: StageContext): Outcome<ThreadChange> {
  const { thread, version, reason, ids, fresh, omitted, older, olderIds, ownerWrote, waitsSince } = item.body
  const rules = ctx.dispatch ?? {}
  const dueAt = item.lane === 'live' ? dispatchTime(item.at, waitsSince, rules) : 0
  if (dueAt > ctx.now()) return { later: [{ item, dueAt }] }
  const lost = ids.filter(id => !cached.has(id))
  // The cache evicted messages while the thread waited here: thread-group emits the thread again once they are refetched.
  if (lost.length > 0)
    return askContext(
      item,
      lost.map(id => ({ id, thread })),
      ctx.now(),
    )
  const messages = ids.flatMap(id => cached.get(id) ?? [])
  const withheld = withheldBy(messages, fresh, rules)
  if (withheld) return settle(item, { withheld })
  const about = { thread, version, reason, fresh, omitted, older, olderIds, ownerWrote }
  const id = `${item.id}/task`
  if (rules.sends) {
    const lane = laneOf(item, classOfThread(item.mailbox, messages, ownerWrote))
    return settle(item, { delivery: follow(item, dueTasks, id, { ...about, ids }, ctx.now(), lane), unsent: fresh })
  }
  const task = buildTask({ ...about, mailbox: item.mailbox }, messages, ctx.task)
  return settle(item, { delivery: follow(item, analysisTasks, id, task, ctx.now(), laneOf(item, task.class)) })
}

function laneOf(item: Item, mailClass: MailClass | undefined): Lane {
  return mailClass?.kind === 'personal' ? item.lane : 'bulk'
}

type Settled = Pick<ThreadSettledFact, 'delivery' | 'withheld' | 'unsent'>

function settle(item: Item, result: Settled = {}): Outcome<ThreadChange> {
  return { facts: [{ fact: 'thread-settled', from: item, ...versionOf(item), ...result }] }
}

function versionOf({ body: { thread, version } }: Item) {
  return { thread, version }
}
