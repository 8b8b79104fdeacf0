import type { Machine } from '../../shared/machine.ts'
import type { ClientAddress } from './client-address.ts'
import type { Connections } from './connections.ts'
import type { LimitedLog } from './limited-log.ts'
import type { Receiver } from './receiver.ts'
import type { Refusals } from './refused.ts'

/** The dependencies of every HTTP endpoint: the receiver, and the guards against hostile clients. */
export interface EndpointContext {
  receiver: Receiver
  refusals: Refusals
  limitedLog: LimitedLog
  connections: Connections
  clientOf: ClientAddress
  now: () => number
  machine: Machine
}
