import type { Envelope } from '../shared/envelope.ts'
import type { ThreadSettledFact } from '../shared/fact.ts'
import type { Message } from '../shared/message.ts'
import { follow, joined, type Outcome, type Stage, type StageContext } from '../shared/stage.ts'
import { analysisTasks, missingIds, type ThreadChange, threads } from '../shared/streams.ts'
import { buildTask } from '../shared/task/task.ts'
import { dispatchTime, withheldBy } from '../shared/task/worth.ts'
import { askContext } from '../shared/windows/refetch.ts'

type Item = Envelope<ThreadChange>

/**
 * Turns each thread version into one self-contained analysis task, and skips versions that were dispatched before. Mail of lists and programs
 * goes in the lane `bulk`. A live thread waits for the debounce, in which a newer version may overtake it.
 */
export const aiDispatch: Stage<ThreadChange> = {
  name: 'ai-dispatch',
  reads: [threads],
  writes: [analysisTasks, missingIds],
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
  const { mailbox } = item
  const about = { mailbox, thread, version, reason, fresh, omitted, older, olderIds, ownerWrote }
  const task = buildTask(about, messages, ctx.task)
  const lane = task.class?.kind === 'personal' ? item.lane : 'bulk'
  return settle(item, { delivery: follow(item, analysisTasks, `${item.id}/task`, task, ctx.now(), lane) })
}

function settle(item: Item, result: Pick<ThreadSettledFact, 'delivery' | 'withheld'> = {}): Outcome<ThreadChange> {
  return { facts: [{ fact: 'thread-settled', from: item, ...versionOf(item), ...result }] }
}

function versionOf({ body: { thread, version } }: Item) {
  return { thread, version }
}
