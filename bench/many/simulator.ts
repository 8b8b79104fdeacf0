import { readFile } from 'node:fs/promises'
import { startSimulators } from '../../sim/both.ts'
import type { PushTarget } from '../../sim/gmail/push-settings.ts'
import type { Profile } from '../../sim/profile.ts'
import { filledMailbox } from './mail.ts'

/** The plan of a process with simulators of both providers: `node simulator.js FILE`, where the file holds this plan as JSON. */
export interface SimulatorPlan {
  port: number
  controlToken: string
  profile: Profile
  /** The latency of every call in ms; defaults to that of the profile. */
  latencyMs?: number
  mailboxes: readonly { address: string; messages: number }[]
  /** Mailboxes at Outlook; none by default. */
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
