import type { GateOptions } from '../gate.ts'
import type { SimMailbox } from '../mailbox.ts'
import type { Profile } from '../profile.ts'
import type { GraphConsent } from './authorize.ts'
import type { CallCounts } from './calls.ts'
import type { GraphFaultSettings, GraphFaults } from './faults.ts'
import type { GraphDelivery, GraphHandle } from './handle.ts'
import type { Notifications } from './notify.ts'
import type { Quirks } from './quirks.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Throttling, ThrottlingSettings } from './throttling.ts'
import type { Tokens } from './token.ts'

/** A running Graph simulator. */
export interface GraphSimulator {
  /**
   * Such as `http://127.0.0.1:8026`; Graph is under `/v1.0`, and its tokens come from
   * `/common/oauth2/v2.0/token`.
   */
  url: string
  mailboxes(): { address: string; messages: number }[]
  /** Returns the handle that changes a mailbox from outside; throws if there is no such mailbox. */
  mailbox(address: string): GraphHandle
  /**
   * Delivers a mail, by default received now, unread and in the inbox; throws if there is no such mailbox or
   * folder.
   */
  deliver(address: string, raw: Buffer | string, options?: GraphDelivery): { id: string; conversationId: string }
  calls(): CallCounts
  resetCalls(): void
  /** Unusual but valid behaviour. */
  quirks: Quirks
  /** Expires tokens and revokes grants. */
  tokens: Tokens
  /** Whether the authorization page waits for a person, and the secret that programs must send. */
  consent: GraphConsent
  /** Faults; none until set here or with `PUT /control/graph/faults`. */
  faults: GraphFaults
  /**
   * Request counts and limits; no limits until set here, in the options or with `PUT
   * /control/graph/throttling`.
   */
  throttling: Throttling
  subscriptions: Subscriptions
  /** The targets of notifications, and their losses. */
  notifications: Notifications
  /**
   * Stops listening and cuts requests in flight; nothing of the simulator keeps the process alive afterwards.
   */
  close(): Promise<void>
}

/** Options of a simulator. */
export interface GraphOptions extends GateOptions {
  /** A free port by default. */
  port?: number
  profile: Profile
  /** The latency of every call in ms; the profile's by default. */
  latencyMs?: number
  mailboxes: readonly SimMailbox[]
  now?: () => number
  /** The speed-up of latencies and quota minutes; 1 by default. */
  speed?: number
  /** Such as `http://127.0.0.1:8080`: replaces the host of every notification address. */
  pushTo?: string
  /** The initial faults; none by default. */
  faults?: GraphFaultSettings
  /** Without it nothing is refused, and requests are only counted. */
  throttling?: ThrottlingSettings
}
