import { setMaxListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMailboxes } from '../pipeline/accounts/providers.ts'
import { connectIfNew } from '../pipeline/accounts/request-sync.ts'
import { type AppContext, openApp } from '../pipeline/base/app.ts'
import { sleep } from '../pipeline/base/wait.ts'
import { inheritedEnvironment, readConfig } from '../shared/config.ts'
import type { MailboxId, Provider } from '../shared/mailbox.ts'
import { postWatchEvent } from '../shared/redis/mailboxes.ts'
import { listRuns } from '../shared/redis/runs.ts'
import { type Simulators, startSimulators } from '../sim/both.ts'
import { randomFrom } from '../sim/random.ts'
import { type Children, openChildren } from './chaos/children.ts'
import { startCrew } from './chaos/crew.ts'
import { createDeeds } from './chaos/deeds.ts'
import { insist } from './chaos/insist.ts'
import { judge, type Verdict } from './chaos/judge.ts'
import { createMailFlow } from './chaos/mail.ts'
import { CHAOS_KINDS, type ChaosKind, planFaults } from './chaos/plan.ts'
import { startRedis } from './chaos/redis.ts'
import { untilSettled } from './chaos/settle.ts'
import { splitMailboxes } from './chaos/sizes.ts'
import { createStriker, type Targets } from './chaos/strike.ts'
import { openTalks } from './chaos/talks.ts'

/** What a chaos did and what came of it. */
export interface ChaosResult extends Verdict {
  /** Nothing is wrong in any mailbox (see Verdict), every run adds up and has settled, no process crashed. */
  ok: boolean
  seed: number
  /** How long faults struck. */
  seconds: number
  /** How long it took after the last of them until everything had settled. */
  settleSeconds: number
  faults: Record<ChaosKind, number>
  /** Provider answers that were spoiled. */
  spoiled: Record<Provider, number>
  /** Mailboxes, stages and runs that still had something under way when the patience was at its end. */
  unsettled: number
  /** Processes that ended by an error nobody caught. */
  crashed: number
  /** The folder with the log of each process and all that was in Redis, unless all is well. */
  kept?: string
}

/** In how many mailboxes, how long, by which seed, whom to tell of each fault, and when to give up. */
export interface ChaosOptions {
  mailboxes: number
  seconds: number
  seed: number
  /** Kinds of faults that do not strike. */
  without: readonly ChaosKind[]
  say: (line: string) => void
  signal: AbortSignal
}

const PREFIX = 'chaos'
const LEASE_MS = 2000
// What a provider has refused again and again is asked for again after minutes.
const PATIENCE_MS = 300_000
const START_WITHIN_MS = 60_000
const LOOK_EVERY_MS = 100
const ALL_RUNS = 1000
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
  const split = splitMailboxes(options.mailboxes)
  const talksOf = (seed: number) => openTalks(randomFrom(seed), Date.now())
  const flow = createMailFlow(split.gmail, randomFrom(options.seed + 1), talksOf(options.seed + 2))
  const deeds = createDeeds(split.outlook, randomFrom(options.seed + 3), talksOf(options.seed + 4))
  // Whatever was acknowledged is there again after kill -9: what is lost then is the pipeline's fault.
  const server = await startRedis(folder, children, { signal, appendfsync: 'always' })
  const sims = await startSimulators({
    profile: 'live',
    gmail: flow.mailboxes,
    graph: deeds.mailboxes,
    // Microsoft's own limits.
    graphOptions: { throttling: {} },
  })
  deeds.begin(sims.graph)
  const mailboxes: MailboxId[] = [
    ...flow.mailboxes.map(({ address }): MailboxId => `gmail:${address}`),
    ...deeds.mailboxes.map(({ address }): MailboxId => `outlook:${address}`),
  ]
  const environment = environmentOf(server.url, sims.url)
  const config = readConfig(environment)
  const app = await openApp(config, server.url)
  try {
    const opened = openMailboxes(config, sims.url, app)
    for (const mailbox of mailboxes) await connectIfNew(app, () => opened, mailbox, signal)
    const push = (mailbox: MailboxId, historyId?: string) =>
      insist(() => postWatchEvent(app.redis, app.keys, mailbox, eventOf(app, historyId)), signal, pause)
    const crew = await startCrew({ children, environment, signal, pause })
    for (const mailbox of mailboxes) await push(mailbox)

    await untilAtWork(app, { signal, pause })
    const { redis } = app
    const targets = { crew, server, redis, sims, mailboxes, prefix: PREFIX, signal, pause }
    const changesOver = new AbortController()
    const until = { signal: AbortSignal.any([signal, changesOver.signal]), pause, onChange: push }
    const [faults] = await Promise.all([
      strikeAll(targets, options).finally(() => changesOver.abort()),
      flow.deliver(sims.gmail, until),
      deeds.go(sims.graph, until),
    ])
    if (signal.aborted) throw new Error(STOPPED)
    sims.gmail.faults.set({})
    sims.graph.faults.set({})
    options.say('everything is healed; waiting until all has settled')
    for (const mailbox of mailboxes) await push(mailbox)
    const healedAt = app.now()
    const open = await untilSettled(app, { deadlineMs: PATIENCE_MS, signal, pause })
    if (signal.aborted) throw new Error(STOPPED)
    const settleSeconds = Math.round((app.now() - healedAt) / 100) / 10
    // The judge asks for more at a time than the pipeline may.
    sims.graph.throttling.set(undefined)
    const verdict = await judge(app, sims.url, mailboxes)
    const crashed = await crew.crashes()
    const ok = verdict.wrong + open.length + crashed === 0
    const { seed, seconds } = options
    const reported = { spoiled: spoiledBy(sims), unsettled: open.length, crashed }
    return {
      ok,
      seed,
      seconds,
      settleSeconds,
      faults,
      ...verdict,
      ...reported,
      problems: [...open, ...verdict.problems],
    }
  } finally {
    over.abort()
    app.close()
    await sims.close()
  }
}

// On a busy machine processes take long to start, and faults would strike nobody.
async function untilAtWork(
  { redis, keys, now }: AppContext,
  { signal, pause }: { signal: AbortSignal; pause: (ms: number) => Promise<void> },
): Promise<void> {
  const deadline = now() + START_WITHIN_MS
  while (!signal.aborted && now() < deadline) {
    if ((await listRuns(redis, keys, ALL_RUNS)).some(({ fates }) => fates.fetched > 0)) return
    await pause(LOOK_EVERY_MS)
  }
}

/** Lets the planned faults strike, each in its time; resolves when all that they hit is up again. */
async function strikeAll(
  targets: Targets,
  { seconds, seed, without, say }: ChaosOptions,
): Promise<Record<ChaosKind, number>> {
  const counts = Object.fromEntries(CHAOS_KINDS.map(kind => [kind, 0])) as Record<ChaosKind, number>
  const strike = createStriker(targets)
  const begun = performance.now()
  const struck: Promise<void>[] = []
  const waitUntil = (ms: number) => targets.pause(Math.max(0, begun + ms - performance.now()))
  for (const fault of planFaults(randomFrom(seed), { seconds, leaseMs: LEASE_MS, without })) {
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
    GMAIL_REFRESH_TOKEN: '',
    REDIS_PREFIX: PREFIX,
    // Fewer than mailboxes, so that some share one.
    PARTITIONS: '3',
    INITIAL_SYNC: 'all',
    LEASE_MS: `${LEASE_MS}`,
    // What stands still is healed after two rounds.
    KEEPER_INTERVAL: '2',
    // Many small calls, so that there is something to spoil.
    GMAIL_BATCH_SIZE: '5',
    OUTLOOK_BATCH_SIZE: '5',
    OUTLOOK_PAGE_SIZE: '20',
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

function eventOf(app: AppContext, historyId: string | undefined): Parameters<typeof postWatchEvent>[3] {
  const body = historyId === undefined ? { cause: 'request' as const } : { cause: 'push' as const, historyId }
  return { run: app.newRunId(), at: app.now(), body }
}

function spoiledBy({ gmail, graph }: Simulators): Record<Provider, number> {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0)
  return { gmail: sum(gmail.faults.counts()), outlook: sum(graph.faults.counts()) }
}
