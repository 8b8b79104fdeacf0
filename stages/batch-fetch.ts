import type { Envelope } from '../shared/envelope.ts'
import { MailError } from '../shared/error.ts'
import type { Fetched } from '../shared/mailbox.ts'
import { follow, type Stage } from '../shared/stage.ts'
import { type Fate, fetchedMessages, type ListedId, missingIds } from '../shared/streams.ts'

/** Fetches missing messages, a batch with one provider call, and keeps them in the cache. */
export const batchFetch: Stage<ListedId> = {
  name: 'batch-fetch',
  reads: [missingIds],
  writes: [fetchedMessages],
  pace: { size: 20, waitMs: 50, concurrency: 3 },

  async handle(batch, run) {
    const answers = await run.mailbox.fetch(
      batch.items.map(item => item.body),
      run.call,
    )
    await run.cache.put([...answers.values()].flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : [])))
    const results = batch.items.map(item => ({ item, ...fateOf(answers.get(item.body.id)) }))
    return {
      deliveries: results.flatMap(({ item, fate }) => (fate ? [settle(item, fate, run.now())] : [])),
      failed: results.flatMap(({ item, error }) => (error ? [{ item, error }] : [])),
    }
  },

  bury: (item, error) => ({ deliveries: [settle(item, 'dead', item.at, error.message)] }),
}

function fateOf(answer: Fetched | undefined): { fate?: Fate; error?: MailError } {
  if (!answer) return { error: new MailError('unparsable', "the provider's answer does not mention the message") }
  if (answer.outcome === 'ok') return { fate: 'fetched' }
  if (answer.outcome === 'gone') return { fate: 'gone' }
  if (answer.outcome === 'failed') return { error: answer.error }
  const { retryAfterMs } = answer
  return {
    error: new MailError(
      'throttled',
      'the provider asks to slow down',
      retryAfterMs === undefined ? {} : { retryAfterMs },
    ),
  }
}

function settle(item: Envelope<ListedId>, fate: Fate, now: number, reason?: string) {
  const { id, window, index, of } = item.body
  return follow(
    item,
    fetchedMessages,
    item.id,
    { id, window, index, of, fate, ...(reason === undefined ? {} : { reason }) },
    now,
  )
}
