import type { Envelope } from '../shared/envelope.ts'
import { MailError } from '../shared/error.ts'
import type { Fact } from '../shared/fact.ts'
import type { Fetched, Wanted } from '../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../shared/message.ts'
import { follow, type Stage } from '../shared/stage.ts'
import { type Fate, fetchedMessages, type ListedId, missingIds } from '../shared/streams.ts'
import { isDeferred } from '../shared/windows/deferred.ts'

// After this many failed attempts with its thread, a message is fetched alone.
const ATTEMPTS_WITH_THREAD = 2
const nothing: ReadonlyMap<MessageId, Fetched> = new Map()

/** Fetches missing messages, one provider call per batch, and caches every message in the answer, requested or not. */
export const batchFetch: Stage<ListedId> = {
  name: 'batch-fetch',
  reads: [missingIds],
  writes: [fetchedMessages],
  pace: { size: 20, ids: 20, calls: true, waitMs: 50, concurrency: 3 },

  async handle(batch, ctx) {
    // Another batch's thread may have brought the message since it was found missing.
    const cached = await ctx.cache.touch(batch.items.map(item => item.body.id))
    const isCached = ({ body: { id, verify } }: Envelope<ListedId>) => cached.has(id) && !verify
    const missing = batch.items.filter(item => !isCached(item))
    const answers = missing.length > 0 ? await ctx.mailbox.fetch(missing.map(asWanted), ctx.call) : nothing
    await ctx.cache.put([...answers.values()].flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : [])))
    const results = batch.items.map(item => ({
      item,
      ...(isCached(item) ? { fate: 'fetched' as const } : fateOf(answers.get(item.body.id), item.body.thread)),
    }))
    return {
      deliveries: results.flatMap(({ item, fate, reason, inThread }) =>
        fate ? [settle(item, fate, ctx.now(), reason, inThread)] : [],
      ),
      facts: results.flatMap(({ item, inThread }) => (inThread === undefined ? [] : endDeferral(item))),
      failed: results.flatMap(({ item, error }) => (error ? [{ item, error }] : [])),
    }
  },

  deadLetter: (item, error) => ({ deliveries: [settle(item, 'dead', item.at, error.message)] }),
  // The thread may be the cause, so the message is fetched alone before it is deferred.
  defer: (item, error) =>
    isWithThread(item) ? undefined : { deliveries: [settle(item, 'deferred', item.at, error.message)] },
}

function asWanted({ attempt, body: { id, thread, ofThread, verify } }: Envelope<ListedId>): Wanted {
  // A message that may be gone is fetched alone: its thread would not reveal more.
  return { id, thread, ofThread, alone: verify === true || attempt >= ATTEMPTS_WITH_THREAD }
}

function isWithThread(item: Envelope<ListedId>): boolean {
  return (item.body.ofThread ?? 1) > 1 && !asWanted(item).alone
}

// While deferred, the message was counted as omitted in the thread it was listed with.
function endDeferral(from: Envelope<ListedId>): Fact[] {
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
