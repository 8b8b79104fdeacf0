import type { ClientAddress } from './client-address.ts'
import type { Connections } from './connections.ts'
import type { LimitedLog } from './limited-log.ts'
import type { Receiver } from './receiver.ts'
import type { Refusals } from './refused.ts'

/** What every way in is given: where notifications go, and what keeps strangers from hurting anybody. */
export interface EndpointContext {
  reception: Receiver
  refusals: Refusals
  telling: LimitedLog
  connections: Connections
  clientOf: ClientAddress
  now: () => number
}
