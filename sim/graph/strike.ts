import type { Readable } from 'node:stream'
import { denialOf } from '../denials.ts'
import { drip } from '../drip.ts'
import type { PartAnswer } from './batch.ts'
import { syncStateGone } from './delta-token.ts'
import { GraphError, retryAfterIn, throttled, unauthenticated } from './error.ts'
import { BATCH_FAULTS, BYTE_FAULTS, DELTA_FAULTS, type GraphFaults, PART_FAULTS, WHOLE_FAULTS } from './faults.ts'

const PAGE =
  "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body><h2>Our services aren't available right now</h2></body></html>\n"

/** The faults that answer with an error of Graph's: all of these kinds but a cut connection and a proxy's page. */
type ErrorFault =
  | Exclude<(typeof WHOLE_FAULTS)[number], 'reset' | 'html-unavailable'>
  | (typeof PART_FAULTS)[number]
  | (typeof DELTA_FAULTS)[number]

/** The effect of a fault on one answer: cut off, replaced by the page of a proxy, or none. */
export type Struck = 'reset' | { page: string } | undefined

/** Applies faults to answers. */
export interface Striking {
  /** Strikes a whole answer before it is made; throws its error. */
  whole(): Struck
  /** Strikes a part of a batch before it is answered; throws its error. */
  part(): void
  /** Refuses a request by its path, single or in a batch; the address is in lower case, if known. */
  denied(url: string, address: string | undefined): void
  /** Strikes a delta, single or in a batch; throws a 410. */
  delta(): void
  /** Strikes the parts of a batch's answer. */
  batch(answers: readonly PartAnswer[]): readonly PartAnswer[]
  /** Strikes the text of an answer: truncates it, or streams it slowly. */
  text(text: string): string | Readable
}

/** Applies faults as configured; `closing` ends slow answers. */
export function createStriking({
  faults,
  now,
  closing,
}: {
  faults: GraphFaults
  now: () => number
  closing: AbortSignal
}): Striking {
  const retryAfter = () => {
    const { retryAfterSeconds, retryAfterForm } = faults.read()
    return retryAfterIn(retryAfterSeconds * 1000, retryAfterForm, now())
  }
  const failing = (status: number, code: string, message: string) => () => new GraphError(status, code, message)
  const errors: Record<ErrorFault, () => GraphError> = {
    throttled: () => throttled('requests', retryAfter()),
    'throttled-silently': () => throttled('requests', undefined),
    'server-error': failing(500, 'InternalServerError', 'The server encountered an unexpected failure.'),
    unavailable: () =>
      new GraphError(503, 'ServiceUnavailable', 'The service is temporarily unavailable.', {
        headers: { 'retry-after': retryAfter() },
      }),
    'bad-gateway': failing(502, 'BadGateway', 'Failed to execute backend request.'),
    'token-expired': () => unauthenticated(true),
    'part-throttled': () => throttled('concurrency', retryAfter()),
    'part-error': failing(503, 'UnknownError', ''),
    'part-token-expired': () => unauthenticated(true),
    'gone-410': syncStateGone,
  }
  const strike = (fault: ErrorFault | undefined) => {
    if (fault) throw errors[fault]()
  }
  const pick = (from: readonly unknown[]) => Math.floor(faults.random() * from.length)

  return {
    whole() {
      const fault = faults.draw(WHOLE_FAULTS)
      if (fault === 'reset') return 'reset'
      if (fault === 'html-unavailable') return { page: PAGE }
      strike(fault)
      return undefined
    },
    part: () => strike(faults.draw(PART_FAULTS)),
    denied(url, address) {
      const denial = denialOf(faults.read().denials, url, address)
      if (denial) throw new GraphError(denial.status, denial.reason, denial.message ?? denial.reason)
    },
    delta: () => strike(faults.draw(DELTA_FAULTS)),
    batch(answers) {
      return BATCH_FAULTS.filter(kind => faults.draw([kind])).reduce<readonly PartAnswer[]>((left, kind) => {
        const at = pick(left)
        if (kind === 'missing-part') return left.toSpliced(at, 1)
        return left.map((answer, index) => (index === at ? { ...answer, body: undefined } : answer))
      }, answers)
    },
    text(text) {
      const [cut, slow] = BYTE_FAULTS.map(kind => faults.draw([kind]) !== undefined)
      const left = cut ? text.slice(0, Math.floor(faults.random() * text.length)) : text
      return slow ? drip(left, faults.read().dripMs, closing) : left
    },
  }
}
