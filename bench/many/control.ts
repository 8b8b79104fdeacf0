import type { CallCounts } from '../../sim/gmail/calls.ts'
import type { FaultSettings } from '../../sim/gmail/faults.ts'
import type { QuotaCounts } from '../../sim/gmail/quota.ts'
import type { GraphFaultSettings } from '../../sim/graph/faults.ts'

/** A client of the control port of simulators in another process, Gmail's by default. Every call throws when it fails or is refused. */
export interface SimulatorControl {
  url: string
  calls(): Promise<CallCounts>
  /** Returns the quota spent, in total and by mailbox. */
  spent(): Promise<{ total: QuotaCounts; mailboxes: Record<string, QuotaCounts> }>
  /** Delivers a mail to the inbox. */
  deliver(address: string, raw: string): Promise<{ id: string; historyId: string }>
  setFaults(settings: FaultSettings): Promise<void>
  graph: {
    /** Delivers a mail to the inbox, or to the folder at a path. */
    deliver(address: string, raw: string, folder?: string): Promise<{ id: string }>
    createFolder(address: string, path: string): Promise<{ id: string }>
    setFaults(settings: GraphFaultSettings): Promise<void>
  }
}

/** Creates a client of the control port at a URL with its token. */
export function controlOf(url: string, token: string): SimulatorControl {
  const ask = async <Answer>(
    path: string,
    init: { method?: string; type?: string; body?: string } = {},
  ): Promise<Answer> => {
    const { type, ...rest } = init
    const headers = { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) }
    const response = await fetch(`${url}/control/${path}`, { ...rest, headers })
    if (!response.ok) throw new Error(`the simulator answers ${response.status} to ${path}: ${await response.text()}`)
    return (await response.json()) as Answer
  }
  const post = <Answer>(path: string, raw: string) =>
    ask<Answer>(path, { method: 'POST', type: 'message/rfc822', body: raw })
  const send = <Answer>(method: 'POST' | 'PUT', path: string, body: object) =>
    ask<Answer>(path, { method, type: 'application/json', body: JSON.stringify(body) })
  return {
    url,
    calls: () => ask('calls'),
    spent: () => ask('quota'),
    deliver: (address, raw) => post(`mailboxes/${address}/messages`, raw),
    setFaults: settings => send('PUT', 'faults', settings),
    graph: {
      deliver: (address, raw, folder) =>
        post(`graph/mailboxes/${address}/messages${folder ? `?folder=${encodeURIComponent(folder)}` : ''}`, raw),
      createFolder: (address, path) => send('POST', `graph/mailboxes/${address}/folders`, { path }),
      setFaults: settings => send('PUT', 'graph/faults', settings),
    },
  }
}
