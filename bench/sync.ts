import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auth, gmail } from 'googleapis/build/src/apis/gmail/index.js'
import { openMailboxes } from '../pipeline/accounts/mailboxes.ts'
import { requestSync } from '../pipeline/accounts/request-sync.ts'
import { openApp } from '../pipeline/base/app.ts'
import { createLog } from '../pipeline/base/log.ts'
import { STAGES } from '../pipeline/base/stages.ts'
import { untilQuiet } from '../pipeline/commands/follow.ts'
import { openRedisServer } from '../pipeline/embedded-redis/source.ts'
import { startStages } from '../pipeline/runtime/start-stages.ts'
import { type Config, readConfig } from '../shared/config.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { connectMailbox } from '../shared/redis/mailboxes.ts'
import { demoMailbox } from '../sim/demo.ts'
import type { GmailSimulator } from '../sim/gmail/simulator.ts'
import { startGmail } from '../sim/gmail.ts'
import { terminal } from './terminal.ts'

/** The figures of reading the same mail twice: message by message, and by the pipeline. Calls are counted at the server. */
export interface Comparison {
  n1Seconds: number
  oursSeconds: number
  ratio: number
  /** The provider's time for the calls of the pipeline: a listing, then the slowest of the parallel batches. */
  criticalPathSeconds: number
  n1Calls: number
  oursCalls: number
}

const MESSAGES = 50
const BATCHES = [20, 20, 10]
const SECONDS = {
  live: { list: 0.15, batch: (parts: number) => 0.12 + parts * 0.003 },
  seed: { list: 2.35, batch: () => 2.35 },
}

/** Reads the newest fifty messages of the demo mailbox both ways, in sequence, from one simulator. */
export async function compareSync(profile: 'live' | 'seed'): Promise<Comparison> {
  const mailbox = demoMailbox()
  const sim = await startGmail({ profile, mailboxes: [mailbox] })
  const dataDir = await mkdtemp(join(tmpdir(), 'mailsluice-bench-'))
  try {
    const oursSeconds = await pipeline(sim, `gmail:${mailbox.address}`, dataDir)
    const oursCalls = sim.calls().total
    sim.resetCalls()
    const n1Seconds = await oneByOne(sim, mailbox.address)
    const n1Calls = sim.calls().total
    const { list, batch } = SECONDS[profile]
    const criticalPathSeconds = list + Math.max(...BATCHES.map(batch))
    return { n1Seconds, oursSeconds, ratio: n1Seconds / oursSeconds, criticalPathSeconds, n1Calls, oursCalls }
  } finally {
    await sim.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Returns the seconds from "this mailbox changed" to the last analysis task. */
async function pipeline(sim: GmailSimulator, mailbox: MailboxId, dataDir: string): Promise<number> {
  const config: Config = {
    ...readConfig(),
    INITIAL_SYNC: { kind: 'newest', count: MESSAGES },
    LOG_LEVEL: 'error',
    DATA_DIR: dataDir,
    REDIS_PREFIX: `bench-${process.pid}`,
  }
  const log = createLog(config, 'bench', terminal)
  const server = await openRedisServer(config, log)
  const app = await openApp(config, server.url)
  const mailboxes = openMailboxes(config, sim.url)
  const stages = startStages(STAGES, app, { mailboxes, log })
  const signal = new AbortController().signal
  try {
    const { cursor } = await mailboxes(mailbox).open({ signal, meter: () => undefined })
    await connectMailbox(app.redis, app.keys, mailbox, cursor, app.now())
    sim.resetCalls()
    const since = app.now()
    await requestSync(app, mailbox)
    const [run] = await untilQuiet(app, { since, mailboxes: [mailbox], signal, bar: undefined })
    const messages = run?.listed ?? 0
    if (messages !== MESSAGES) throw new Error(`the pipeline read ${messages} messages instead of ${MESSAGES}`)
    return ((run?.settledAt ?? app.now()) - since) / 1000
  } finally {
    await stages.stop(config.DRAIN_MS)
    app.close()
    await server.stop()
  }
}

/** Reads mail the naive way: list, then get each message in sequence, with Google's own client. */
async function oneByOne(sim: GmailSimulator, address: string): Promise<number> {
  const client = new auth.OAuth2({ endpoints: { oauth2TokenUrl: `${sim.url}/token` } })
  client.setCredentials({ refresh_token: `simulated:${address}` })
  await client.getAccessToken()
  const api = gmail({ version: 'v1', auth: client, rootUrl: `${sim.url}/` })
  const begun = performance.now()
  const listed = await api.users.messages.list({ userId: 'me', maxResults: MESSAGES })
  for (const { id } of listed.data.messages ?? []) {
    await api.users.messages.get({ userId: 'me', id: id ?? '', format: 'metadata' })
  }
  return (performance.now() - begun) / 1000
}
