import type { Lane } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'

/** The budget and the rate limits that model requests share, over all processes. */
export interface Spending {
  /** Reserves the worst case of one request; each attempt, repair and fallback has a reservation of its own. */
  reserve(of: RequestedSpending): Promise<Reservation | Refusal>
}

/** The worst case of a request, in millionths of a US dollar and in tokens. */
export interface RequestedSpending {
  mailbox: MailboxId
  task: string
  lane: Lane
  microUsd: number
  tokens: number
}

/** A reserved request. Without `sent` it expires back; once sent, it counts until it is settled. */
export interface Reservation {
  outcome: 'go'
  /** Call right before the request leaves. Resolves to false where the reservation has expired and must be made again. */
  sent(): Promise<boolean>
  /**
   * Records what the host reported; without a report the worst case stays counted. Resolves to false where the host reported more than was
   * reserved: the sink must pause.
   */
  settle(used?: { microUsd: number; tokens: number }): Promise<boolean>
  /** Gives everything back: the request never left. */
  release(): Promise<void>
}

/** No request may leave before `untilMs` (ms since 1970), because this limit is reached. */
export interface Refusal {
  outcome: 'wait'
  untilMs: number
  why: 'day-budget' | 'mailbox-budget' | 'requests' | 'tokens'
}
