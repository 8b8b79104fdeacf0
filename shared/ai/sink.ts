import type { Lane } from '../envelope.ts'
import type { Task } from '../task/schema.ts'
import type { Spending } from './spending.ts'

/** A receiver of tasks: a webhook, or a model that answers at once. */
export interface Sink {
  /**
   * Sends one task. Throws MailError: `throttled` waits and uses no attempt; `unavailable` is retried with backoff; `rejected` and
   * `unparsable` become dead letters; `misconfigured` pauses the sink until a person mends what the message names. Calls for the same task
   * may repeat after a crash, so the receiver gets the same idempotency key each time.
   */
  send(task: Task, call: SinkCall): Promise<Sent>
}

/** The surroundings of one call. `attempt` counts from 0; `now` is in ms since 1970. */
export interface SinkCall {
  signal: AbortSignal
  attempt: number
  lane: Lane
  now: () => number
  spending: Spending
}

/** What became of a sent task: a receiver has it and answers elsewhere, or the model answered. */
export type Sent = { outcome: 'accepted' } | { outcome: 'answered'; answer: Answer }

/**
 * How a model's answer ended: usable, or refused, cut at the output limit, withheld by a content filter, or not matching the schema. All but
 * `answered` have an empty output.
 */
export const FINISHES = ['answered', 'refused', 'cut', 'filtered', 'invalid'] as const

/** A model's answer to a task. */
export interface Answer {
  model: string
  promptVersion: string
  finish: (typeof FINISHES)[number]
  output: Record<string, unknown>
  /** All requests for the task together, as the host reports them. `cachedTokens` are part of the input. */
  usage?: { inputTokens: number; outputTokens: number; cachedTokens?: number }
  /** Millionths of a US dollar, by the configured prices. */
  costMicroUsd?: number
  /** How many items, links, addresses and images were removed, because no mail of the task has them. */
  removed?: { items?: number; links?: number; addresses?: number; images?: number }
  note?: string
}
