import type { World } from './answer.ts'
import type { countCalls } from './calls.ts'
import type { Striking } from './strike.ts'
import type { Throttling } from './throttling.ts'

/** The type of Graph's answers. */
export const JSON_TYPE =
  'application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8'

/** What a Graph is served with. */
export interface Serving {
  world: World
  calls: ReturnType<typeof countCalls>
  throttling: Throttling
  striking: Striking
  /** How long a call takes before it is answered, in ms. */
  latency: (call: { kind: string; parts: number }) => number
  closing: AbortSignal
}
