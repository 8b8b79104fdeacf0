import type { GateOptions } from './gate.ts'
import type { GmailOptions, GmailSimulator } from './gmail/simulator.ts'
import { startGmail } from './gmail.ts'
import type { GraphOptions, GraphSimulator } from './graph/simulator.ts'
import { openGraph, startGraph } from './graph.ts'
import type { SimMailbox } from './mailbox.ts'

/** The providers that are simulated, by the names of their mailboxes. */
export type Side = 'gmail' | 'outlook'

/** Running simulators of Gmail and Graph. */
export interface Simulators {
  /** Gmail's address, and Graph's too unless it has its own port. */
  url: string
  gmail: GmailSimulator
  graph: GraphSimulator
  close(): Promise<void>
}

/** Options for both simulators: mailboxes on each side, common settings, and settings of one side. */
export interface SimulatorsOptions extends GateOptions, Pick<GmailOptions, 'profile' | 'latencyMs' | 'now' | 'speed'> {
  /** A free port by default. */
  port?: number
  /** Graph's own port; shares Gmail's by default. */
  graphPort?: number | undefined
  gmail: readonly SimMailbox[]
  graph: readonly SimMailbox[]
  gmailOptions?: Pick<GmailOptions, 'quota' | 'pushTo' | 'faults'>
  graphOptions?: Omit<
    GraphOptions,
    keyof GateOptions | 'port' | 'profile' | 'latencyMs' | 'mailboxes' | 'now' | 'speed'
  >
}

/**
 * Starts a Gmail and a Graph, on one port unless Graph has its own. Throws if a port is taken or two
 * mailboxes of one side have the same address.
 */
export async function startSimulators(options: SimulatorsOptions): Promise<Simulators> {
  const { port = 0, graphPort, gmail, graph, gmailOptions, graphOptions, ...common } = options
  const ofGmail = { ...common, ...gmailOptions, port, mailboxes: gmail }
  const ofGraph = { ...common, ...graphOptions, mailboxes: graph }
  if (graphPort !== undefined) {
    const own = await startGraph({ ...ofGraph, port: graphPort })
    // If one cannot listen, neither keeps listening.
    return both(await startGmail(ofGmail).catch(error => own.close().then(() => Promise.reject(error))), own)
  }
  const parts = await openGraph(ofGraph)
  const sim = await startGmail({ ...ofGmail, beside: parts }).catch(error =>
    parts
      .at('')
      .close()
      .then(() => Promise.reject(error)),
  )
  return both(sim, parts.at(sim.url))
}

function both(gmail: GmailSimulator, graph: GraphSimulator): Simulators {
  return {
    url: gmail.url,
    gmail,
    graph,
    async close() {
      await graph.close()
      await gmail.close()
    },
  }
}
