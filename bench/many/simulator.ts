import { readFile } from 'node:fs/promises'
import type { PushTarget } from '../../sim/gmail/pubsub.ts'
import { startGmail } from '../../sim/gmail.ts'
import type { Profile } from '../../sim/profile.ts'
import { filledMailbox } from './mail.ts'

/** A Gmail simulator to start as a process of its own: `node simulator.js FILE`, where the file holds this as JSON. */
export interface SimulatorPlan {
  port: number
  profile: Profile
  /** The latency of every call in ms; that of the profile where it is absent. */
  latencyMs?: number
  mailboxes: readonly { address: string; messages: number }[]
  pushTo: PushTarget
}

const { mailboxes, ...plan } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as SimulatorPlan
await startGmail({ ...plan, mailboxes: mailboxes.map(({ address, messages }) => filledMailbox(address, messages)) })
