import type { ClientAddress } from './client-address.ts'
import type { Connections } from './connections.ts'
import type { Reception } from './reception.ts'
import type { Refusals } from './refused.ts'
import type { Telling } from './telling.ts'

/** What every way in is given: where notifications go, and what keeps strangers from hurting anybody. */
export interface Desk {
  reception: Reception
  refusals: Refusals
  telling: Telling
  connections: Connections
  clientOf: ClientAddress
  now: () => number
}
