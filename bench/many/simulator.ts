import { readFile } from 'node:fs/promises'
import { startSimulators } from '../../sim/both.ts'
import type { PushTarget } from '../../sim/gmail/pubsub.ts'
import type { Profile } from '../../sim/profile.ts'
import { filledMailbox } from './mail.ts'

/** Simulators of both providers to start as a process of their own: `node simulator.js FILE`, where the file holds this as JSON. */
export interface SimulatorPlan {
  port: number
  controlToken: string
  profile: Profile
  /** The latency of every call in ms; that of the profile where it is absent. */
  latencyMs?: number
  mailboxes: readonly { address: string; messages: number }[]
  /** Mailboxes at Outlook; none where it is absent. */
  outlook?: readonly { address: string; messages: number }[]
  pushTo: PushTarget
}

type Filling = SimulatorPlan['mailboxes'][number]

const {
  mailboxes,
  outlook = [],
  pushTo,
  ...plan
} = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as SimulatorPlan
const filled = ({ address, messages }: Filling) => filledMailbox(address, messages)
await startSimulators({
  ...plan,
  gmail: mailboxes.map(filled),
  graph: outlook.map(filled),
  gmailOptions: { pushTo },
})
