import type { CallCounts } from '../../sim/gmail/calls.ts'
import type { FaultSettings } from '../../sim/gmail/faults.ts'
import type { QuotaCounts } from '../../sim/gmail/quota.ts'

/** A simulator in another process, by its control port. Every call throws where it does not answer or refuses. */
export interface SimulatorControl {
  url: string
  calls(): Promise<CallCounts>
  /** What was spent, in all and by mailbox. */
  spent(): Promise<{ total: QuotaCounts; mailboxes: Record<string, QuotaCounts> }>
  /** Delivers a mail to the inbox. */
  deliver(address: string, raw: string): Promise<{ id: string; historyId: string }>
  setFaults(settings: FaultSettings): Promise<void>
}

/** The control port at this address. */
export function controlOf(url: string): SimulatorControl {
  const ask = async <Answer>(path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${url}/control/${path}`, init)
    if (!response.ok) throw new Error(`the simulator answers ${response.status} to ${path}: ${await response.text()}`)
    return (await response.json()) as Answer
  }
  return {
    url,
    calls: () => ask('calls'),
    spent: () => ask('quota'),
    deliver: (address, raw) =>
      ask(`mailboxes/${address}/messages`, {
        method: 'POST',
        headers: { 'content-type': 'message/rfc822' },
        body: raw,
      }),
    async setFaults(settings) {
      const headers = { 'content-type': 'application/json' }
      await ask('faults', { method: 'PUT', headers, body: JSON.stringify(settings) })
    },
  }
}
