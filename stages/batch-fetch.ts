import type { Envelope } from '../shared/envelope.ts'
import { MailError } from '../shared/error.ts'
import type { Fact } from '../shared/fact.ts'
import type { Fetched, Wanted } from '../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../shared/message.ts'
import { follow, type Stage } from '../shared/stage.ts'
import { type Fate, fetchedMessages, type ListedId, missingIds } from '../shared/streams.ts'
import { isDeferred } from '../shared/windows/deferred.ts'

// A message that could not be had with its thread so often is asked for by itself.
const ATTEMPTS_WITH_THREAD = 2
const nothing: ReadonlyMap<MessageId, Fetched> = new Map()

/** Fetches missing messages, a batch with one provider call, and keeps in the cache what comes, be it wanted or not. */
export const batchFetch: Stage<ListedId> = {
  name: 'batch-fetch',
  reads: [missingIds],
  writes: [fetchedMessages],
  pace: { size: 20, ids: 20, calls: true, waitMs: 50, concurrency: 3 },

  async handle(batch, ctx) {
    // Since it was found missing it may have come along with another batch's thread.
    const held = await ctx.cache.touch(batch.items.map(item => item.body.id))
    const isHere = ({ body: { id, verify } }: Envelope<ListedId>) => held.has(id) && !verify
    const wanted = batch.items.filter(item => !isHere(item))
    const answers = wanted.length > 0 ? await ctx.mailbox.fetch(wanted.map(asWanted), ctx.call) : nothing
    await ctx.cache.put([...answers.values()].flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : [])))
    const results = batch.items.map(item => ({
      item,
      ...(isHere(item) ? { fate: 'fetched' as const } : fateOf(answers.get(item.body.id), item.body.thread)),
    }))
    return {
      deliveries: results.flatMap(({ item, fate, reason, inThread }) =>
        fate ? [settle(item, fate, ctx.now(), reason, inThread)] : [],
      ),
      facts: results.flatMap(({ item, inThread }) => (inThread === undefined ? [] : leavesWrongThread(item))),
      failed: results.flatMap(({ item, error }) => (error ? [{ item, error }] : [])),
    }
  },

  deadLetter: (item, error) => ({ deliveries: [settle(item, 'dead', item.at, error.message)] }),
  // Its thread may be at fault: first it is asked for by itself.
  defer: (item, error) =>
    isWithThread(item) ? undefined : { deliveries: [settle(item, 'deferred', item.at, error.message)] },
}

function asWanted({ attempt, body: { id, thread, ofThread, verify } }: Envelope<ListedId>): Wanted {
  // What may be gone is asked for by itself: its thread would not tell more.
  return { id, thread, ofThread, alone: verify === true || attempt >= ATTEMPTS_WITH_THREAD }
}

function isWithThread(item: Envelope<ListedId>): boolean {
  return (item.body.ofThread ?? 1) > 1 && !asWanted(item).alone
}

// While it was set aside it was missed in the thread it was listed with.
function leavesWrongThread(from: Envelope<ListedId>): Fact[] {
  const { id, thread } = from.body
  return isDeferred(from) ? [{ fact: 'deferral-ended', from, thread, id }] : []
}

function fateOf(
  answer: Fetched | undefined,
  listedIn: ThreadId,
): { fate?: Fate; reason?: string; inThread?: ThreadId; error?: MailError } {
  if (!answer) return { error: new MailError('unparsable', "the provider's answer does not mention the message") }
  switch (answer.outcome) {
    case 'ok': {
      const { thread } = answer.message
      return { fate: 'fetched', ...(thread === listedIn ? {} : { inThread: thread }) }
    }
    case 'gone':
      return { fate: 'gone' }
    case 'filtered':
      return { fate: 'filtered', reason: answer.reason }
    case 'failed':
      return { error: answer.error }
    case 'throttled': {
      const wait = answer.retryAfterMs === undefined ? {} : { retryAfterMs: answer.retryAfterMs }
      return { error: new MailError('throttled', 'the provider asks to slow down', wait) }
    }
  }
}

function settle(item: Envelope<ListedId>, fate: Fate, now: number, reason?: string, inThread?: ThreadId) {
  const { id, window, index, of } = item.body
  return follow(
    item,
    fetchedMessages,
    item.id,
    {
      id,
      window,
      index,
      of,
      fate,
      ...(reason === undefined ? {} : { reason }),
      ...(inThread === undefined ? {} : { inThread }),
    },
    now,
  )
}
