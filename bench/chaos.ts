import { setMaxListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMailboxes } from '../pipeline/providers.ts'
import { connectIfNew } from '../pipeline/request-sync.ts'
import { sleep } from '../pipeline/wait.ts'
import { type Office, openOffice } from '../pipeline/wire.ts'
import { inheritedEnvironment, readConfig } from '../shared/config.ts'
import { postWatchEvent } from '../shared/redis/mailboxes.ts'
import { type GmailSimulator, startGmail } from '../sim/gmail.ts'
import { randomFrom } from '../sim/random.ts'
import { type Children, openChildren } from './chaos/children.ts'
import { startCrew } from './chaos/crew.ts'
import { insist } from './chaos/insist.ts'
import { judge, type Verdict } from './chaos/judge.ts'
import { createMailFlow } from './chaos/mail.ts'
import { CHAOS_KINDS, type ChaosKind, planFaults } from './chaos/plan.ts'
import { startRedis } from './chaos/redis.ts'
import { untilSettled } from './chaos/settle.ts'
import { createStriker, type Targets } from './chaos/strike.ts'

/** What a chaos did and what came of it. */
export interface ChaosResult extends Verdict {
  /** Nothing lost, nothing doubled, every thread's newest task complete, every run adds up and has settled, no process crashed. */
  ok: boolean
  seed: number
  /** How long faults struck. */
  seconds: number
  /** How long it took after the last of them until everything had settled. */
  settleSeconds: number
  faults: Record<ChaosKind, number>
  /** Provider answers that were spoiled. */
  spoiled: number
  /** Mailboxes, stages and runs that still had something under way when the patience was at its end. */
  unsettled: number
  /** Processes that ended by an error nobody caught. */
  crashed: number
  /** The folder with the log of each process and all that was in Redis, unless all is well. */
  kept?: string
}

/** How long, by which seed, whom to tell of each fault, and when to give up. */
export interface ChaosOptions {
  seconds: number
  seed: number
  say: (line: string) => void
  signal: AbortSignal
}

const PREFIX = 'chaos'
const LEASE_MS = 2000
const PATIENCE_MS = 120_000
const STOPPED = 'stopped before it was over'

/**
 * Runs every stage as processes of their own over a real Redis while mail keeps coming in, breaks everything that can break, then heals
 * it, and judges from outside what the pipeline made of it. The seed decides which faults come in which order, and the mail; what they
 * hit is left to the clock. Its folder is removed when all is well, else it is kept, with the log of each process, and named.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const folder = await mkdtemp(join(tmpdir(), 'mailsluice-chaos-'))
  const children = openChildren(folder)
  try {
    const result = await chaosIn(folder, children, options)
    await children.endAll()
    if (!result.ok) return { ...result, kept: folder }
    await rm(folder, { recursive: true, force: true })
    return result
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}; its folder is kept: ${folder}`, {
      cause: error,
    })
  } finally {
    await children.endAll()
  }
}

async function chaosIn(folder: string, children: Children, options: ChaosOptions): Promise<ChaosResult> {
  // Whatever way this ends, nothing of it goes on.
  const over = new AbortController()
  const signal = AbortSignal.any([options.signal, over.signal])
  // Every fault, process and mail that waits listens to it.
  setMaxListeners(0, signal)
  const pause = (ms: number) => sleep(ms, signal)
  const flow = createMailFlow(randomFrom(options.seed + 1), Date.now())
  const server = await startRedis(folder, children, signal)
  const sim = await startGmail({ profile: 'live', mailboxes: flow.mailboxes })
  const environment = environmentOf(server.url, sim.url)
  const config = readConfig(environment)
  const office = await openOffice(config, server.url)
  try {
    const mailboxes = openMailboxes(config, sim.url)
    for (const address of flow.addresses) await connectIfNew(office, () => mailboxes, `gmail:${address}`, signal)
    const push = (address: string, historyId?: string) =>
      insist(
        () => postWatchEvent(office.redis, office.keys, `gmail:${address}`, eventOf(office, historyId)),
        signal,
        pause,
      )
    const crew = await startCrew({ children, environment, signal, pause })
    for (const address of flow.addresses) await push(address)

    const { redis } = office
    const targets = { crew, server, redis, sim, addresses: flow.addresses, prefix: PREFIX, signal, pause }
    const mailOver = new AbortController()
    const until = AbortSignal.any([signal, mailOver.signal])
    const [faults] = await Promise.all([
      strikeAll(targets, options).finally(() => mailOver.abort()),
      flow.deliver(sim, push, { signal: until, pause }),
    ])
    if (signal.aborted) throw new Error(STOPPED)
    sim.faults.set({})
    options.say('everything is healed; waiting until all has settled')
    for (const address of flow.addresses) await push(address)
    const healedAt = office.now()
    const open = await untilSettled(office, { deadlineMs: PATIENCE_MS, signal, pause })
    if (signal.aborted) throw new Error(STOPPED)
    const settleSeconds = Math.round((office.now() - healedAt) / 100) / 10
    const verdict = await judge(office, sim.url, flow.addresses)
    const crashed = await crew.crashes()
    const { lost, incomplete, doubled, unbalanced } = verdict
    const ok = lost + incomplete + doubled + unbalanced + open.length + crashed === 0
    const { seed, seconds } = options
    const told = { spoiled: spoiledBy(sim), unsettled: open.length, crashed }
    return { ok, seed, seconds, settleSeconds, faults, ...verdict, ...told, problems: [...open, ...verdict.problems] }
  } finally {
    over.abort()
    office.close()
    await sim.close()
  }
}

/** Lets the planned faults strike, each in its time; resolves when all that they hit is up again. */
async function strikeAll(targets: Targets, { seconds, seed, say }: ChaosOptions): Promise<Record<ChaosKind, number>> {
  const counts = Object.fromEntries(CHAOS_KINDS.map(kind => [kind, 0])) as Record<ChaosKind, number>
  const strike = createStriker(targets)
  const begun = performance.now()
  const struck: Promise<void>[] = []
  const waitUntil = (ms: number) => targets.pause(Math.max(0, begun + ms - performance.now()))
  for (const fault of planFaults(randomFrom(seed), { seconds, leaseMs: LEASE_MS })) {
    await waitUntil(fault.atMs)
    if (targets.signal.aborted) break
    const done = strike(fault)
    if (!done) continue
    counts[fault.kind] += 1
    struck.push(done.over)
    say(`${(fault.atMs / 1000).toFixed(1).padStart(6)} s  ${done.what}`)
  }
  await waitUntil(seconds * 1000)
  await Promise.all(struck)
  return counts
}

function environmentOf(redisUrl: string, simUrl: string): NodeJS.ProcessEnv {
  return inheritedEnvironment({
    REDIS_URL: redisUrl,
    SIM_URL: simUrl,
    REDIS_PREFIX: PREFIX,
    // Fewer than mailboxes, so that some share one.
    PARTITIONS: '3',
    INITIAL_SYNC: 'all',
    LEASE_MS: `${LEASE_MS}`,
    // Many small calls, so that there is something to spoil.
    GMAIL_BATCH_SIZE: '5',
    DRAIN_MS: '1000',
    RATE_LIMIT_BACKOFF_FACTOR: '1.1',
    // An open breaker waits for a minute, which would only take time.
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1000',
    // No mail is left out of a task for its length.
    TASK_TOKENS: '10000000',
    LOG_LEVEL: 'warn',
    RAILWAY_REPLICA_ID: '',
  })
}

function eventOf(office: Office, historyId: string | undefined): Parameters<typeof postWatchEvent>[3] {
  const body = historyId === undefined ? { cause: 'request' as const } : { cause: 'push' as const, historyId }
  return { run: office.newRunId(), at: office.now(), body }
}

function spoiledBy(sim: GmailSimulator): number {
  return Object.values(sim.faults.counts()).reduce((sum, count) => sum + count, 0)
}
