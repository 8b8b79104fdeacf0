import type { GraphState } from './answer.ts'
import type { countCalls } from './calls.ts'
import type { Striking } from './strike.ts'
import type { Throttling } from './throttling.ts'

/** The content type of Graph's answers. */
export const JSON_TYPE =
  'application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8'

/** The dependencies of serving Graph. */
export interface Serving {
  state: GraphState
  calls: ReturnType<typeof countCalls>
  throttling: Throttling
  striking: Striking
  /** Returns the latency of a call in ms. */
  latency: (call: { kind: string; parts: number }) => number
  closing: AbortSignal
}
