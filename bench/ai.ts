import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMailboxes } from '../pipeline/accounts/mailboxes.ts'
import { requestSync } from '../pipeline/accounts/request-sync.ts'
import { type AppContext, openApp } from '../pipeline/base/app.ts'
import { createLog, type Log } from '../pipeline/base/log.ts'
import { STAGES } from '../pipeline/base/stages.ts'
import { openRedisServer } from '../pipeline/embedded-redis/source.ts'
import { openSending } from '../pipeline/runtime/sending.ts'
import { startStages } from '../pipeline/runtime/start-stages.ts'
import { type Config, readConfig } from '../shared/config.ts'
import { connectMailbox } from '../shared/redis/mailboxes.ts'
import { readSpending } from '../shared/redis/spending-facts.ts'
import { startGmail } from '../sim/gmail.ts'
import { memoryMailbox, type SimMailbox } from '../sim/mailbox.ts'
import { type ModelHost, startModelHost } from './ai/model-host.ts'
import { terminal } from './terminal.ts'

/** The options of the bench of model calls: the limits a minute, for how many minutes, and how many dispatchers share them. */
export interface AiBench {
  minutes: number
  requestsPerMinute: number
  tokensPerMinute: number
  dispatchers: number
  /** The most that all calls may cost, in US dollars. */
  budgetUsd: number
}

/** What the dispatchers made of the limits, as the host counted it. */
export interface AiUse {
  minutes: number
  requests: number
  tokens: number
  /** The shares of the limits that were used between the first request and the end of the last whole minute. */
  requestsUsed: number
  tokensUsed: number
  /** The most in any minute. */
  worstRequests: number
  worstTokens: number
  spentUsd: number
  /** Above the budget. */
  overspentUsd: number
  /** Tasks that were asked more than once. */
  repeats: number
}

const ADDRESS = 'ana@example.com'
const MICRO = 1_000_000
const MINUTE_MS = 60_000
const CALLS_AT_ONCE = 60
const OUTPUT_TOKENS = 400

/** Sends the threads of a simulated mailbox to a model host, under limits of requests and tokens a minute and a budget. */
export async function measureAi(bench: AiBench): Promise<AiUse> {
  const threads = Math.ceil(bench.requestsPerMinute * (bench.minutes + 1))
  const sim = await startGmail({ profile: 'instant', mailboxes: [mailOf(threads)] })
  const host = await startModelHost({ outputTokens: OUTPUT_TOKENS })
  const dataDir = await mkdtemp(join(tmpdir(), 'mailsluice-bench-'))
  const config = configOf(bench, { url: host.url, dataDir })
  const log = createLog(config, 'bench', terminal)
  const server = await openRedisServer(config, log)
  const app = await openApp(config, server.url)
  const running = await startAll(app, { dispatchers: bench.dispatchers, url: sim.url, log })
  try {
    await began(app, sim.url)
    await host.untilMinutes(bench.minutes)
    const { spentMicroUsd, openMicroUsd } = await readSpending(app.redis, app.keys, { now: app.now() })
    return useOf(host, bench, spentMicroUsd + openMicroUsd)
  } finally {
    await Promise.all(running.map(stages => stages.stop(config.DRAIN_MS)))
    app.close()
    await server.stop()
    await Promise.all([host.close(), sim.close()])
    await rm(dataDir, { recursive: true, force: true })
  }
}

function configOf(bench: AiBench, { url, dataDir }: { url: string; dataDir: string }): Config {
  return {
    ...readConfig({
      AI_SINK: 'openai',
      AI_MODEL: 'gpt-5-mini',
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_API_KEY: 'none',
      AI_CONCURRENCY: String(CALLS_AT_ONCE),
      AI_OUTPUT_TOKENS: String(OUTPUT_TOKENS),
      AI_REQUESTS_PER_MINUTE: String(bench.requestsPerMinute),
      AI_TOKENS_PER_MINUTE: String(bench.tokensPerMinute),
      AI_BUDGET_USD_PER_DAY: String(bench.budgetUsd),
      MESSAGE_BODY: 'snippet',
      INITIAL_SYNC: 'all',
      LOG_LEVEL: 'fatal',
    }),
    DATA_DIR: dataDir,
    REDIS_PREFIX: `bench-${process.pid}`,
  }
}

// Each dispatcher has its own consumer, books and client, like a process.
async function startAll(
  app: AppContext,
  { dispatchers, url, log }: { dispatchers: number; url: string; log: Log & { child(fields: object): Log } },
) {
  const others = STAGES.filter(({ name }) => name !== 'ai-dispatch')
  const last = STAGES.filter(({ name }) => name === 'ai-dispatch')
  const mailboxes = openMailboxes(app.config, url)
  const sendings = await Promise.all(Array.from({ length: dispatchers }, () => openSending(app, log)))
  return [
    startStages(others, app, { mailboxes, log }),
    ...sendings.map(sending => startStages(last, app, { mailboxes, log, sending })),
  ]
}

async function began(app: AppContext, url: string): Promise<void> {
  const mailbox = `gmail:${ADDRESS}` as const
  const call = { signal: new AbortController().signal, meter: () => undefined }
  const { cursor } = await openMailboxes(app.config, url)(mailbox).open(call)
  await connectMailbox(app.redis, app.keys, mailbox, cursor, app.now())
  await requestSync(app, mailbox)
}

function useOf(host: ModelHost, bench: AiBench, spentMicroUsd: number): AiUse {
  const { requests, tokens, worst, repeats } = host.counts(bench.minutes)
  const { requestsPerMinute, tokensPerMinute, minutes, budgetUsd } = bench
  return {
    minutes,
    requests,
    tokens,
    requestsUsed: requests / (requestsPerMinute * minutes),
    tokensUsed: tokens / (tokensPerMinute * minutes),
    worstRequests: worst.requests,
    worstTokens: worst.tokens,
    spentUsd: spentMicroUsd / MICRO,
    overspentUsd: Math.max(0, spentMicroUsd - budgetUsd * MICRO) / MICRO,
    repeats,
  }
}

function mailOf(threads: number): SimMailbox {
  return memoryMailbox(
    ADDRESS,
    Array.from({ length: threads }, (_, index) => ({
      raw: [
        'From: Bo <bo@example.com>',
        `To: <${ADDRESS}>`,
        `Subject: Topic ${index}`,
        `Message-ID: <${index}@example.com>`,
        '',
        `This is mail ${index}.`,
      ].join('\r\n'),
      receivedAtMs: 1_700_000_000_000 + index * MINUTE_MS,
    })),
  )
}
