import type { Envelope } from './envelope.ts'
import type { Listed } from './mailbox.ts'
import { follow, type Outcome } from './stage.ts'
import { missingIds } from './streams.ts'

/**
 * Asks for known messages that the cache has lost: opens a context window of them in the item's run and sends them to be fetched.
 * Their threads wait in the run and go out once the window is merged.
 */
export function askContext<In>(item: Envelope<In>, wanted: readonly Listed[], now: number): Outcome<In> {
  if (wanted.length === 0) return {}
  const window = `context:${item.id}`
  const of = wanted.length
  return {
    deliveries: wanted.map(({ id, thread }, index) =>
      follow(item, missingIds, `${item.run}/${window}/${index}`, { id, thread, window, index, of }, now),
    ),
    facts: [
      { fact: 'window-opened', from: item, window, context: true, items: wanted },
      { fact: 'context-asked', from: item, threads: [...new Set(wanted.map(({ thread }) => thread))] },
    ],
  }
}

/** Several outcomes of one batch as one. */
export function joined<In>(outcomes: readonly Outcome<In>[]): Outcome<In> {
  return {
    deliveries: outcomes.flatMap(outcome => outcome.deliveries ?? []),
    facts: outcomes.flatMap(outcome => outcome.facts ?? []),
  }
}
