import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMailboxes } from '../pipeline/accounts/mailboxes.ts'
import { openQuotas } from '../pipeline/accounts/quotas.ts'
import { requestSync } from '../pipeline/accounts/request-sync.ts'
import { openApp } from '../pipeline/base/app.ts'
import { createLog } from '../pipeline/base/log.ts'
import { STAGES } from '../pipeline/base/stages.ts'
import { untilQuiet } from '../pipeline/commands/follow.ts'
import { openRedisServer } from '../pipeline/embedded-redis/source.ts'
import { startStages } from '../pipeline/runtime/start-stages.ts'
import { type Config, readConfig } from '../shared/config.ts'
import { connectMailbox } from '../shared/redis/mailboxes.ts'
import type { RunRecord } from '../shared/redis/runs.ts'
import type { GmailSimulator } from '../sim/gmail/simulator.ts'
import { startGmail } from '../sim/gmail.ts'
import { memoryMailbox, type SimMailbox } from '../sim/mailbox.ts'
import { terminal } from './terminal.ts'

/** The use of a mailbox's quota; minutes are simulated ones, which pass faster. */
export interface QuotaUse {
  messages: number
  /** Messages that were read. */
  read: number
  dead: number
  units: number
  minutes: number
  /** The share of the available units spent between the end of the first minute and the end of the last whole one. */
  used: number
  /** All requests of all clients, refused ones included; each part of a batch counts as one. */
  requests: number
  refused: number
  /** The refusals because of too many requests in flight. */
  crowded: number
  refusedShare: number
  /** The refusals in each whole minute. */
  refusedByMinute: number[]
  /** The most units in any minute, as the provider counted them. */
  worstMinute: number
}

/** The options of the quota bench. */
export interface QuotaBench {
  messages: number
  /** The factor by which minutes pass faster. */
  speed: number
  /** The number of fetchers, each set up like a separate process. */
  fetchers: number
  /** Starts another client of the same mailbox, which is stopped at the end. */
  meanwhile?: (sim: GmailSimulator, address: string) => { stop(): Promise<void> }
}

const ADDRESS = 'ana@example.com'
const UNITS_PER_MINUTE = 6000
const MINUTE_MS = 60_000
const MESSAGES_PER_THREAD = 4
const POLL_MS = 5

/** Reads a mailbox of a Gmail with a quota of 6,000 units per minute. */
export async function measureQuota({ messages, speed, fetchers, meanwhile }: QuotaBench): Promise<QuotaUse> {
  const quota = { userUnitsPerMinute: UNITS_PER_MINUTE }
  const sim = await startGmail({ profile: 'live', speed, mailboxes: [threadsOf(messages)], quota })
  const dataDir = await mkdtemp(join(tmpdir(), 'mailsluice-bench-'))
  const other = meanwhile?.(sim, ADDRESS)
  try {
    const watch = watchMinutes(sim, speed)
    const run = await read(sim, { dataDir, speed, fetchers })
    await other?.stop()
    const { marks, worstMinute, minutes } = watch.stop()
    const { units, methods, refused } = sim.quota.counts(ADDRESS)
    const refusals = refused.user + refused.concurrent
    const requests = Object.values(methods).reduce((sum, count) => sum + count, refusals)
    return {
      messages: run.listed,
      read: run.fates.fetched + run.fates.cached,
      dead: run.fates.dead,
      units,
      minutes,
      used: ((marks.at(-1)?.units ?? 0) - (marks[0]?.units ?? 0)) / (Math.max(1, marks.length - 1) * UNITS_PER_MINUTE),
      requests,
      refused: refusals,
      crowded: refused.concurrent,
      refusedShare: refusals / requests,
      refusedByMinute: marks.map((mark, index) => mark.refused - (marks[index - 1]?.refused ?? 0)),
      worstMinute,
    }
  } finally {
    await sim.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function read(
  sim: GmailSimulator,
  { dataDir, speed, fetchers }: { dataDir: string; speed: number; fetchers: number },
): Promise<RunRecord> {
  const config: Config = {
    ...readConfig(),
    INITIAL_SYNC: { kind: 'all' },
    GMAIL_USER_UNITS: UNITS_PER_MINUTE,
    LOG_LEVEL: 'error',
    DATA_DIR: dataDir,
    REDIS_PREFIX: `bench-${process.pid}`,
  }
  const log = createLog(config, 'bench', terminal)
  const server = await openRedisServer(config, log)
  const app = await openApp(config, server.url)
  // Each fetcher has its own connection, consumer and Gmail client, like a process.
  const start = (stages: typeof STAGES) =>
    startStages(stages, app, {
      mailboxes: openMailboxes(config, sim.url),
      log,
      quotas: openQuotas(app, { log, windowMs: MINUTE_MS / speed }),
    })
  const fetching = STAGES.filter(({ name }) => name === 'batch-fetch')
  const running = [start(STAGES), ...Array.from({ length: fetchers - 1 }, () => start(fetching))]
  const signal = new AbortController().signal
  const mailbox = `gmail:${ADDRESS}` as const
  try {
    const { cursor } = await openMailboxes(config, sim.url)(mailbox).open({ signal, meter: () => undefined })
    await connectMailbox(app.redis, app.keys, mailbox, cursor, app.now())
    const since = app.now()
    await requestSync(app, mailbox)
    const [run] = await untilQuiet(app, { since, mailboxes: [mailbox], signal, bar: undefined })
    if (!run) throw new Error('the run did not start')
    return run
  } finally {
    await Promise.all(running.map(stages => stages.stop(config.DRAIN_MS)))
    app.close()
    await server.stop()
  }
}

// The units spent at the end of each whole minute since the first request; idle time after the last request does not count.
function watchMinutes(sim: GmailSimulator, speed: number) {
  const marks: { units: number; refused: number }[] = []
  let before = { units: 0, refused: 0 }
  let began: number | undefined
  let last = 0
  let worstMinute = 0
  const minutesTo = (at: number) => ((at - (began ?? at)) * speed) / MINUTE_MS
  const timer = setInterval(() => {
    const { units, refused, minuteUnits } = sim.quota.counts(ADDRESS)
    worstMinute = Math.max(worstMinute, minuteUnits)
    if (units === before.units) return
    last = performance.now()
    began ??= last
    while (minutesTo(last) >= marks.length + 1) marks.push(before)
    before = { units, refused: refused.user + refused.concurrent }
  }, POLL_MS)
  return {
    stop() {
      clearInterval(timer)
      return { marks, worstMinute, minutes: minutesTo(last) }
    },
  }
}

function threadsOf(messages: number): SimMailbox {
  return memoryMailbox(
    ADDRESS,
    Array.from({ length: messages }, (_, index) => {
      const place = index % MESSAGES_PER_THREAD
      const answers = place === 0 ? [] : [`In-Reply-To: <${index - 1}@example.com>`]
      const subject = `${place === 0 ? '' : 'Re: '}Topic ${index - place}`
      const head = [
        'From: Bo <bo@example.com>',
        `To: <${ADDRESS}>`,
        `Subject: ${subject}`,
        `Message-ID: <${index}@example.com>`,
      ]
      return {
        raw: [...head, ...answers, '', `This is mail ${index}.`].join('\r\n'),
        receivedAtMs: 1_700_000_000_000 + index * MINUTE_MS,
      }
    }),
  )
}
