import { availableParallelism } from 'node:os'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { type Config, readConfig } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import type { StageName } from '../../shared/stage.ts'
import { latencyMs, type Profile } from '../../sim/profile.ts'
import { leastCost, mailsFor } from './mail.ts'
import { connectAll, type Pipeline, startPipeline } from './pipeline.ts'
import { type Rig, withRig } from './rig.ts'
import { untilSettled } from './settled.ts'

/** Many mailboxes that change at once. */
export interface BurstOptions {
  mailboxes: number
  /** New mails in each. */
  messages: number
  /** The number of processes that list and fetch: one `up`, and others that run only these two stages. */
  fetchers: number
  profile: Profile
  /** Whether all mailboxes share one partition. */
  onePartition: boolean
  /** Whether one of the fetchers is killed after a third of the messages. */
  kill: boolean
  signal: AbortSignal
}

/** The cost and duration of a burst. */
export interface BurstFigures {
  /** Provider calls without those for tokens, counted at the simulator. */
  callsPerMailbox: number
  /** One listing, and as many batches as the ids fill; batches of whole threads may need fewer. */
  idealCalls: number
  /** The time from the first sync request to the last task. */
  seconds: number
  /** The provider's time for the ideal calls, at the concurrency of the stages. */
  criticalPathSeconds: number
  ratio: number
  /** Quota units spent, divided by the minimum. */
  unitsRatio: number
  /** CPU time of all processes, simulator and Redis included, as a share of the machine: near 1 the machine is the limit. */
  cpuShare: number | undefined
  /** The resident memory of the largest process of the pipeline at the end, in MB. */
  rssMb: number | undefined
}

const KILLED_AT = 1 / 3
// The initial size of each mailbox: enough to warm up the code of every process.
const WARM_UP_MESSAGES = 100
const DEADLINE_MS = 900_000
const DELIVERED_AT_ONCE = 8

/** Delivers mail to many synced mailboxes, requests all syncs at once, and measures until the last task is written. */
export async function measureBurst(options: BurstOptions): Promise<BurstFigures> {
  const { mailboxes: count, profile, signal } = options
  const addresses = options.onePartition ? inOnePartition(count) : Array.from({ length: count }, (_, n) => addressOf(n))
  const mailboxes = addresses.map(address => ({ address, messages: WARM_UP_MESSAGES }))
  return withRig({ name: 'many', profile, mailboxes, deadlineMs: DEADLINE_MS, signal }, rig =>
    measure(rig, addresses, options),
  )
}

async function measure(rig: Rig, addresses: readonly string[], options: BurstOptions): Promise<BurstFigures> {
  const { app, sim } = rig
  const { messages, fetchers } = options
  const mailboxes = addresses.map((address): MailboxId => `gmail:${address}`)
  await connectAll(rig, mailboxes)
  const pipeline = await startPipeline(rig, fetchers)
  const begunAt = app.now()
  await Promise.all(mailboxes.map(mailbox => requestSync(app, mailbox)))
  await untilSettled(rig, mailboxes, { since: begunAt })
  await deliverAll(rig, addresses, messages)

  const [callsBefore, spentBefore, cpuBefore] = await Promise.all([
    sim.calls(),
    sim.spent(),
    rig.processes.cpuSeconds(),
  ])
  const since = app.now()
  // No pushes: each would cause another check of its mailbox.
  await Promise.all(mailboxes.map(mailbox => requestSync(app, mailbox)))
  const onPoll = options.kill ? killOne(rig, pipeline, mailboxes.length * messages) : undefined
  const runs = await untilSettled(rig, mailboxes, { since, ...(onPoll ? { onPoll } : {}) })
  const elapsedMs = app.now() - since
  const cpuAfter = await rig.processes.cpuSeconds()
  const [calls, spent, rssMb] = await Promise.all([sim.calls(), sim.spent(), pipeline.rssMb()])

  if (onPoll && !onPoll.killed())
    throw new Error('all messages were read before a fetcher was killed: use more messages')
  assertRead(runs, mailboxes.length * messages)
  const seconds = (Math.max(...runs.map(({ settledAt }) => settledAt ?? since)) - since) / 1000
  const ideal = idealOf(messages, app.config)
  const criticalPathSeconds = criticalPath(ideal, app.config, options)
  return {
    callsPerMailbox: (calls.total - callsBefore.total) / mailboxes.length,
    idealCalls: ideal.calls,
    seconds,
    criticalPathSeconds,
    ratio: seconds / criticalPathSeconds,
    cpuShare: shareOf(cpuBefore, cpuAfter, elapsedMs),
    unitsRatio: (spent.total.units - spentBefore.total.units) / mailboxes.length / ideal.units,
    rssMb,
  }
}

async function deliverAll({ sim, signal }: Rig, addresses: readonly string[], messages: number): Promise<void> {
  const waiting = [...addresses]
  const deliver = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      for (const raw of mailsFor(next, 'new', messages)) {
        signal.throwIfAborted()
        await sim.deliver(next, raw)
      }
    }
  }
  await Promise.all(Array.from({ length: DELIVERED_AT_ONCE }, deliver))
}

function shareOf(before: number | undefined, after: number | undefined, ms: number): number | undefined {
  if (before === undefined || after === undefined) return undefined
  return (after - before) / ((ms / 1000) * availableParallelism())
}

function killOne({ processes }: Rig, { fetchers }: Pipeline, messages: number) {
  let killed = false
  const onPoll = (runs: readonly RunRecord[]) => {
    const [victim] = fetchers
    if (killed || !victim || readIn(runs) < messages * KILLED_AT || readIn(runs) === messages) return
    killed = true
    processes.kill(victim)
  }
  return Object.assign(onPoll, { killed: () => killed })
}

function assertRead(runs: readonly RunRecord[], messages: number): void {
  const read = readIn(runs)
  const odd = runs.filter(run => !run.addsUp || run.failure !== undefined).length
  if (read !== messages || odd > 0)
    throw new Error(`${read} of ${messages} messages were read, and ${odd} runs failed or do not add up`)
}

function readIn(runs: readonly RunRecord[]): number {
  return runs.reduce((sum, { fates }) => sum + fates.fetched + fates.cached, 0)
}

interface Ideal {
  batches: number
  /** Requests in an average batch. */
  parts: number
  calls: number
  units: number
}

function idealOf(messages: number, { GMAIL_BATCH_SIZE }: Config): Ideal {
  const { requests, units } = leastCost(messages)
  const batches = Math.ceil(messages / GMAIL_BATCH_SIZE)
  return { batches, parts: requests / batches, calls: 1 + batches, units }
}

/** Returns the time of the slower provider-bound stage, plus one call of each for the first and the last batch. */
function criticalPath(ideal: Ideal, config: Config, { mailboxes, fetchers, profile }: BurstOptions): number {
  const listMs = latencyMs(profile, { kind: 'history', parts: 0 })
  const batchMs = latencyMs(profile, { kind: 'batch', parts: ideal.parts })
  const listing = (mailboxes / (fetchers * concurrencyOf('list-ids'))) * listMs
  const fetching = ((mailboxes * ideal.batches) / (fetchers * config.GMAIL_MAX_CONCURRENT_BATCHES)) * batchMs
  return (Math.max(listing, fetching) + listMs + batchMs) / 1000
}

function concurrencyOf(stage: StageName): number {
  return STAGES.find(({ name }) => name === stage)?.pace.concurrency ?? 1
}

function inOnePartition(count: number): string[] {
  const { REDIS_PREFIX, PARTITIONS } = readConfig()
  const keys = createKeys(REDIS_PREFIX, PARTITIONS)
  const chosen: string[] = []
  for (let n = 0; chosen.length < count; n += 1) {
    if (keys.partitionOf(`gmail:${addressOf(n)}`) === keys.partitions[0]) chosen.push(addressOf(n))
  }
  return chosen
}

function addressOf(n: number): string {
  return `box${String(n).padStart(4, '0')}@example.com`
}
