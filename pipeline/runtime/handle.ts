import type { Envelope } from '../../shared/envelope.ts'
import { asMailError, MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { isRedisError } from '../../shared/redis/connect.ts'
import { joined, type Outcome } from '../../shared/stage.ts'
import { sleep } from '../base/wait.ts'
import { isPoisoned } from './recover.ts'

const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 5000

/**
 * Runs the handler and always returns an outcome. Halves a batch with a possible poison item until that item is alone, and retries errors of
 * Redis until it answers. Returns `undefined` once the signal has aborted, because the outcome can no longer be committed.
 */
export async function isolateFailures<In>(
  items: readonly Envelope<In>[],
  handle: (items: readonly Envelope<In>[]) => Promise<Outcome<In>>,
  options: {
    signal: AbortSignal
    onRedisError: (error: unknown, items: number) => void
    machine?: Pick<Machine, 'after'>
  },
): Promise<Outcome<In> | undefined> {
  const { signal, onRedisError, machine = MACHINE } = options
  for (let waitMs = FIRST_WAIT_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      const outcome = await handle(items)
      checkItems(items, outcome)
      return outcome
    } catch (thrown) {
      if (signal.aborted) return undefined
      // The pause limits provider calls whose results cannot be committed.
      if (!isRedisError(thrown)) return split(thrown)
      onRedisError(thrown, items.length)
      await sleep(waitMs, signal, machine)
    }
  }
  return undefined

  async function split(thrown: unknown): Promise<Outcome<In> | undefined> {
    const error = asMailError(thrown)
    // Any other error is a bug that an item of the batch triggered.
    const isOfOne = isPoisoned(error) || !(thrown instanceof MailError)
    if (items.length === 1 || !isOfOne) return { failed: items.map(item => ({ item, error })) }
    const half = Math.ceil(items.length / 2)
    const first = await isolateFailures(items.slice(0, half), handle, options)
    const rest = first && (await isolateFailures(items.slice(half), handle, options))
    return rest && joined([first, rest])
  }
}

/** Returns when a batch may be retried whose items were all throttled (ms since 1970); `undefined` for any other outcome. */
export function retryTime(
  { deliveries, facts, failed = [], later = [] }: Outcome<unknown>,
  now: number,
): number | undefined {
  if (failed.length === 0 || (deliveries?.length ?? 0) + (facts?.length ?? 0) + later.length > 0) return undefined
  const waits = failed.map(({ error }) => (error.kind === 'throttled' ? error.retryAfterMs : undefined))
  if (waits.some(wait => wait === undefined)) return undefined
  return now + Math.max(...waits.map(wait => wait ?? 0))
}

// Inputs are matched by identity: a copy would be acknowledged without any output.
function checkItems<In>(
  items: readonly Envelope<In>[],
  { deliveries = [], facts = [], failed = [], later = [] }: Outcome<In>,
): void {
  const known = new Set<Envelope>(items)
  const named = [
    ...deliveries.map(({ from }) => from),
    ...facts.map(({ from }) => from),
    ...[...failed, ...later].map(({ item }) => item),
  ]
  const unknown = named.find(item => !known.has(item))
  if (unknown)
    throw new Error(`${unknown.id} is not an item of its batch; a stage must return the same item objects it received`)
}
