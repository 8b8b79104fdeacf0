import { setMaxListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMailboxes } from '../pipeline/accounts/mailboxes.ts'
import { connectIfNew } from '../pipeline/accounts/request-sync.ts'
import { type AppContext, openApp } from '../pipeline/base/app.ts'
import { sleep } from '../pipeline/base/wait.ts'
import { readConfig } from '../shared/config.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { postWatchEvent } from '../shared/redis/mailboxes.ts'
import { listRuns } from '../shared/redis/runs.ts'
import { type Side, type Simulators, startSimulators } from '../sim/both.ts'
import { randomFrom } from '../sim/random.ts'
import { type Children, openChildren } from './chaos/children.ts'
import { openConversations } from './chaos/conversations.ts'
import { environmentOf, LEASE_MS, PREFIX } from './chaos/environment.ts'
import { createGmailActivity } from './chaos/gmail-activity.ts'
import { createGraphActivity } from './chaos/graph-activity.ts'
import { createInjector, type Targets } from './chaos/inject.ts'
import { insist } from './chaos/insist.ts'
import { judge, type Verdict } from './chaos/judge.ts'
import { CHAOS_KINDS, type ChaosKind, planFaults } from './chaos/plan.ts'
import { startProcesses } from './chaos/processes.ts'
import { startRedis } from './chaos/redis.ts'
import { untilSettled } from './chaos/settle.ts'
import { splitMailboxes } from './chaos/sizes.ts'

/** The faults of a chaos run and the outcome. */
export interface ChaosResult extends Verdict {
  /** Whether no mailbox is wrong (see Verdict), every run adds up and has settled, and no process crashed. */
  ok: boolean
  seed: number
  /** The duration of the fault phase. */
  seconds: number
  /** The time from the last fault until everything had settled. */
  settleSeconds: number
  faults: Record<ChaosKind, number>
  /** Provider answers with an injected fault. */
  spoiled: Record<Side, number>
  /** Mailboxes, stages and runs with work in flight when the time limit passed. */
  unsettled: number
  /** Processes that ended with an uncaught error. */
  crashed: number
  /** The folder with the log of each process and the data of Redis; absent after a success. */
  kept?: string
}

/** The options of a chaos run: the number of mailboxes, duration, seed, output of fault lines, and a signal to stop. */
export interface ChaosOptions {
  mailboxes: number
  seconds: number
  seed: number
  /** Kinds of faults to exclude. */
  without: readonly ChaosKind[]
  say: (line: string) => void
  signal: AbortSignal
}

// Work that a provider refused repeatedly is retried only after minutes.
const SETTLE_WITHIN_MS = 300_000
const START_WITHIN_MS = 60_000
const POLL_MS = 100
const ALL_RUNS = 1000
const STOPPED = 'stopped before the end'

/**
 * Runs every stage in processes of its own on a real Redis while mail keeps arriving, injects every kind of fault, then heals
 * everything, and judges the result of the pipeline from outside. The seed determines the mail and the order of faults; their exact
 * targets depend on timing. Removes its folder after a success; otherwise keeps it with the logs, and names it.
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
  // Stops all background work, however the run ends.
  const over = new AbortController()
  const signal = AbortSignal.any([options.signal, over.signal])
  // Every waiting fault, process and delivery listens to the signal.
  setMaxListeners(0, signal)
  const pause = (ms: number) => sleep(ms, signal)
  const split = splitMailboxes(options.mailboxes)
  const conversationsOf = (seed: number) => openConversations(randomFrom(seed), Date.now())
  const gmailActivity = createGmailActivity(
    split.gmail,
    randomFrom(options.seed + 1),
    conversationsOf(options.seed + 2),
  )
  const graphActivity = createGraphActivity(
    split.outlook,
    randomFrom(options.seed + 3),
    conversationsOf(options.seed + 4),
  )
  // Acknowledged writes survive kill -9, so any loss is a bug of the pipeline.
  const server = await startRedis(folder, children, { signal, appendfsync: 'always' })
  const sims = await startSimulators({
    profile: 'live',
    gmail: gmailActivity.mailboxes,
    graph: graphActivity.mailboxes,
    // Microsoft's own limits.
    graphOptions: { throttling: {} },
  })
  graphActivity.begin(sims.graph)
  const mailboxes: MailboxId[] = [
    ...gmailActivity.mailboxes.map(({ address }): MailboxId => `gmail:${address}`),
    ...graphActivity.mailboxes.map(({ address }): MailboxId => `outlook:${address}`),
  ]
  const environment = environmentOf(server.url, sims.url)
  const config = readConfig(environment)
  const app = await openApp(config, server.url)
  try {
    const opened = openMailboxes(config, sims.url, app)
    for (const mailbox of mailboxes) await connectIfNew(app, () => opened, mailbox, signal)
    const processes = await startProcesses({ children, environment, signal, pause })
    const targets = { processes, server, redis: app.redis, sims, mailboxes, prefix: PREFIX, signal, pause }
    return await breakAndJudge(app, targets, { gmailActivity, graphActivity, options })
  } finally {
    over.abort()
    app.close()
    await sims.close()
  }
}

// Breaks everything while mail arrives, heals it, waits until all has settled, and judges.
async function breakAndJudge(
  app: AppContext,
  targets: Targets,
  facts: {
    gmailActivity: ReturnType<typeof createGmailActivity>
    graphActivity: ReturnType<typeof createGraphActivity>
    options: ChaosOptions
  },
): Promise<ChaosResult> {
  const { sims, mailboxes, signal, pause, processes } = targets
  const { gmailActivity, graphActivity, options } = facts
  const push = (mailbox: MailboxId, historyId?: string) =>
    insist(() => postWatchEvent(app.redis, app.keys, mailbox, eventOf(app, historyId)), signal, pause)
  for (const mailbox of mailboxes) await push(mailbox)
  await untilFetching(app, { signal, pause })
  const changesOver = new AbortController()
  const until = { signal: AbortSignal.any([signal, changesOver.signal]), pause, onChange: push }
  const [faults] = await Promise.all([
    injectAll(targets, options).finally(() => changesOver.abort()),
    gmailActivity.deliver(sims.gmail, until),
    graphActivity.go(sims.graph, until),
  ])
  if (signal.aborted) throw new Error(STOPPED)
  sims.gmail.faults.set({})
  sims.graph.faults.set({})
  options.say('all faults healed; waiting until everything has settled')
  for (const mailbox of mailboxes) await push(mailbox)
  const healedAt = app.now()
  const open = await untilSettled(app, { deadlineMs: SETTLE_WITHIN_MS, signal, pause })
  if (signal.aborted) throw new Error(STOPPED)
  const settleSeconds = Math.round((app.now() - healedAt) / 100) / 10
  // The judge sends more requests at a time than the pipeline may.
  sims.graph.throttling.set(undefined)
  const verdict = await judge(app, sims.url, mailboxes)
  const crashed = await processes.crashes()
  const ok = verdict.wrong + open.length + crashed === 0
  const { seed, seconds } = options
  const reported = { spoiled: spoiledBy(sims), unsettled: open.length, crashed }
  const problems = [...open, ...verdict.problems]
  return { ok, seed, seconds, settleSeconds, faults, ...verdict, ...reported, problems }
}

// On a busy machine processes start slowly, and early faults would hit nothing.
async function untilFetching(
  { redis, keys, now }: AppContext,
  { signal, pause }: { signal: AbortSignal; pause: (ms: number) => Promise<void> },
): Promise<void> {
  const deadline = now() + START_WITHIN_MS
  while (!signal.aborted && now() < deadline) {
    if ((await listRuns(redis, keys, ALL_RUNS)).some(({ fates }) => fates.fetched > 0)) return
    await pause(POLL_MS)
  }
}

/** Injects the planned faults at their times; resolves when everything they hit has recovered. */
async function injectAll(
  targets: Targets,
  { seconds, seed, without, say }: ChaosOptions,
): Promise<Record<ChaosKind, number>> {
  const counts = Object.fromEntries(CHAOS_KINDS.map(kind => [kind, 0])) as Record<ChaosKind, number>
  const inject = createInjector(targets)
  const begun = performance.now()
  const recovering: Promise<void>[] = []
  const waitUntil = (ms: number) => targets.pause(Math.max(0, begun + ms - performance.now()))
  for (const fault of planFaults(randomFrom(seed), { seconds, leaseMs: LEASE_MS, without })) {
    await waitUntil(fault.atMs)
    if (targets.signal.aborted) break
    const done = inject(fault)
    if (!done) continue
    counts[fault.kind] += 1
    recovering.push(done.over)
    say(`${(fault.atMs / 1000).toFixed(1).padStart(6)} s  ${done.what}`)
  }
  await waitUntil(seconds * 1000)
  await Promise.all(recovering)
  return counts
}

function eventOf(app: AppContext, historyId: string | undefined): Parameters<typeof postWatchEvent>[3] {
  const body = historyId === undefined ? { cause: 'request' as const } : { cause: 'push' as const, historyId }
  return { run: app.newRunId(), at: app.now(), body }
}

function spoiledBy({ gmail, graph }: Simulators): Record<Side, number> {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0)
  return { gmail: sum(gmail.faults.counts()), outlook: sum(graph.faults.counts()) }
}
