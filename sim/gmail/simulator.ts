import type { Beside } from '../beside.ts'
import type { GateOptions } from '../gate.ts'
import type { SimMailbox } from '../mailbox.ts'
import type { Profile } from '../profile.ts'
import type { CallCounts } from './calls.ts'
import type { MailboxSize } from './control-mailboxes.ts'
import type { FaultSettings, Faults } from './faults.ts'
import type { Delivery, MailboxHandle } from './handle.ts'
import type { Consent } from './oauth.ts'
import type { Pushes } from './pubsub.ts'
import type { PushTarget } from './push-settings.ts'
import type { Quirks } from './quirks.ts'
import type { Quota } from './quota.ts'
import type { QuotaSettings } from './quota-settings.ts'
import type { Tokens } from './token.ts'
import type { Watches } from './watch.ts'

/** A running Gmail simulator. */
export interface GmailSimulator {
  /** Such as `http://127.0.0.1:8025`; OAuth tokens come from `/token`, and the API is under `/gmail/v1`. */
  url: string
  mailboxes(): MailboxSize[]
  /** Returns the handle that changes a mailbox from outside; throws if there is no such mailbox. */
  mailbox(address: string): MailboxHandle
  /**
   * Delivers a mail, by default received now, unread and in the inbox; throws if there is no such mailbox.
   */
  deliver(
    address: string,
    raw: Buffer | string,
    options?: Delivery,
  ): { id: string; threadId: string; historyId: string }
  /** Makes all existing history ids too old: listing from one answers 404. */
  expireHistory(address: string): void
  calls(): CallCounts
  resetCalls(): void
  /** Faults; none until set here or with `PUT /control/faults`. */
  faults: Faults
  /** Unusual but valid behaviour; none until set here or with `PUT /control/quirks`. */
  quirks: Quirks
  /** Quota counts and limits; no limits until set here, in the options or with `PUT /control/quota`. */
  quota: Quota
  /**
   * The target of watch notifications, and their losses; set here, in the options or with `PUT
   * /control/pushes`.
   */
  pushes: Pushes
  watches: Watches
  /** Expires tokens and revokes grants. */
  tokens: Tokens
  /** Whether the authorization page waits for a person. */
  consent: Consent
  /**
   * Returns a token signed by the simulator's key like those of pushes, with these claims replaced;
   * `undefined` omits one.
   */
  idToken(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /**
   * Stops listening and cuts requests in flight; nothing of the simulator keeps the process alive afterwards.
   */
  close(): Promise<void>
}

/** Options of a simulator. */
export interface GmailOptions extends GateOptions {
  /** A free port by default. */
  port?: number
  profile: Profile
  /** The latency of every call in ms; the profile's by default. */
  latencyMs?: number
  mailboxes: readonly SimMailbox[]
  now?: () => number
  /** The speed-up of quota minutes and latencies; dates and tokens follow `now`. 1 by default. */
  speed?: number
  /** Without it nothing is refused, and units follow the costs of 2026. */
  quota?: QuotaSettings
  /** The target of watch notifications; none by default. */
  pushTo?: PushTarget
  /** The initial faults; none by default. */
  faults?: FaultSettings
  /** A handler that answers some requests on its port. */
  beside?: Beside
}
