import type { Config } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { type Approvals, createApprovals } from '../../shared/redis/approvals.ts'
import { createSinkState, type SinkState } from '../../shared/redis/sink-state.ts'
import type { AppContext } from '../base/app.ts'
import { expectedCost, inLane, waitingThreads } from './expected-cost.ts'
import { readPrices } from './sinks/openai.ts'

/** Whether tasks may be sent, for all processes together. */
export interface SinkGate {
  /** Whether the sink takes tasks at all. */
  state: SinkState
  /** Whether those of one mailbox may go. */
  approvals: Approvals
}

/** Opens the gate of the sink, shared by all processes: its pauses, and approvals of costly bulk work. */
export function openSinkGate(app: AppContext): SinkGate {
  const { redis, keys, now, config } = app
  const state = createSinkState({ redis, keys, settings: sinkSettings(config), now })
  const expected = async (mailbox: MailboxId) => {
    const due = inLane(await waitingThreads(app, mailbox), 'bulk')
    return (await expectedCost(app, due, { prices: await readPrices(config), of: mailbox })).microUsd ?? 0
  }
  const approvals = createApprovals({ redis, keys, now, overMicroUsd: config.AI_CONFIRM_OVER_USD, expected })
  return { state, approvals }
}

/** Returns everything in the settings that decides whether the sink works. */
export function sinkSettings(config: Config): string {
  const named = Object.entries(config).filter(([name]) => /^(AI|OPENAI|WEBHOOK|TASK)_/.test(name))
  return JSON.stringify(named.sort(([a], [b]) => (a < b ? -1 : 1)))
}
