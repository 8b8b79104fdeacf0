import type { Profile } from '../profile.ts'
import type { World } from './answer.ts'
import type { countCalls } from './calls.ts'
import type { Striking } from './strike.ts'
import type { Throttling } from './throttling.ts'

/** What a Graph is served with. */
export interface Serving {
  world: World
  calls: ReturnType<typeof countCalls>
  throttling: Throttling
  striking: Striking
  profile: Profile
  speed: number
  closing: AbortSignal
}
