import type { Envelope } from '../../shared/envelope.ts'
import { asMailError, MailError } from '../../shared/error.ts'
import { isRedisError } from '../../shared/redis/connect.ts'
import { joined, type Outcome } from '../../shared/stage.ts'
import { sleep } from '../base/wait.ts'
import { isPoisoned } from './recover.ts'

const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 5000

/**
 * The outcome of a batch, whatever its handler throws. Where something in the batch may be at fault it is halved until that is alone; what
 * Redis is at fault for is done again until it is not. `undefined` once the signal has aborted: the outcome counts for nothing then.
 */
export async function isolating<In>(
  items: readonly Envelope<In>[],
  handle: (items: readonly Envelope<In>[]) => Promise<Outcome<In>>,
  { signal, onRedisError }: { signal: AbortSignal; onRedisError: (error: unknown, items: number) => void },
): Promise<Outcome<In> | undefined> {
  for (let waitMs = FIRST_WAIT_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      const outcome = await handle(items)
      checkItems(items, outcome)
      return outcome
    } catch (thrown) {
      if (signal.aborted) return undefined
      // The batch keeps, and the provider is not asked in vain too often.
      if (!isRedisError(thrown)) return split(thrown)
      onRedisError(thrown, items.length)
      await sleep(waitMs, signal)
    }
  }
  return undefined

  async function split(thrown: unknown): Promise<Outcome<In> | undefined> {
    const error = asMailError(thrown)
    // What is no MailError is a fault of ours, met with something in the batch.
    const isOfOne = isPoisoned(error) || !(thrown instanceof MailError)
    if (items.length === 1 || !isOfOne) return { failed: items.map(item => ({ item, error })) }
    const half = Math.ceil(items.length / 2)
    const options = { signal, onRedisError }
    const first = await isolating(items.slice(0, half), handle, options)
    const rest = first && (await isolating(items.slice(half), handle, options))
    return rest && joined([first, rest])
  }
}

/** When a batch of which every item was throttled may be tried again (ms since 1970); `undefined` where anything else came of it. */
export function retriedAt({ deliveries, facts, failed = [] }: Outcome<unknown>, now: number): number | undefined {
  if (failed.length === 0 || (deliveries?.length ?? 0) + (facts?.length ?? 0) > 0) return undefined
  const waits = failed.map(({ error }) => (error.kind === 'throttled' ? error.retryAfterMs : undefined))
  if (waits.some(wait => wait === undefined)) return undefined
  return now + Math.max(...waits.map(wait => wait ?? 0))
}

// Inputs are known by their identity: a copy would be acknowledged, and nothing follow from it.
function checkItems<In>(
  items: readonly Envelope<In>[],
  { deliveries = [], facts = [], failed = [] }: Outcome<In>,
): void {
  const known = new Set<Envelope>(items)
  const named = [
    ...deliveries.map(({ from }) => from),
    ...facts.map(({ from }) => from),
    ...failed.map(({ item }) => item),
  ]
  const stranger = named.find(item => !known.has(item))
  if (stranger)
    throw new Error(`${stranger.id} is no item of its batch: a stage hands back the very items it was given`)
}
