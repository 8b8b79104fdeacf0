import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { type AppContext, openApp } from '../../pipeline/base/app.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { READERS, STAGES } from '../../pipeline/base/stages.ts'
import type { OpenSending } from '../../pipeline/runtime/sending.ts'
import { startStages } from '../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../shared/config.ts'
import type { Envelope } from '../../shared/envelope.ts'
import type { Mailbox, MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { connectMailbox, readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRuns, type RunRecord } from '../../shared/redis/runs.ts'
import { openEntry } from '../../shared/slice.ts'
import type { StageName } from '../../shared/stage.ts'
import type { Stream } from '../../shared/streams.ts'
import type { TestRedis } from './redis.ts'
import { hidden } from './surroundings.ts'
import { until } from './until.ts'

export const ANA: MailboxId = 'gmail:ana@example.com'

/** The whole pipeline in the test's process, over a real Redis and a chosen mailbox. */
export interface TestPipeline {
  app: AppContext
  mailbox: Mailbox
  /** Requests a sync of its mailbox. */
  request(): Promise<string>
  /** Waits until no work is in flight or delayed, a later look included; returns the runs, newest first. */
  quiet(): Promise<RunRecord[]>
  /** Requests a sync, waits for it, and returns its run. */
  sync(): Promise<RunRecord>
  /** The envelopes of a stream, of both lanes and all partitions, oldest first; ids one by one. */
  read<Body>(stream: Stream<Body>): Promise<Envelope<Body>[]>
  dead(stage: StageName): Promise<Record<string, string>[]>
  start(only?: readonly StageName[]): void
  stopStages(): Promise<void>
  stop(): Promise<void>
}

let count = 0

/** Starts all or some stages with Ana's mailbox connected, or the one of `id`; each call has its own key prefix. */
export async function startPipeline(
  redis: TestRedis,
  open: Mailbox | ((app: AppContext) => Mailbox),
  options: {
    only?: readonly StageName[]
    settings?: Record<string, string>
    id?: MailboxId
    sending?: (app: AppContext) => OpenSending
  } = {},
): Promise<TestPipeline> {
  const { id = ANA } = options
  count += 1
  const settings = {
    LOG_LEVEL: 'silent',
    REDIS_PREFIX: `test${count}`,
    // A node of a cluster serves no read of two partitions, because their keys lie in two slots.
    PARTITIONS: redis.isCluster ? '1' : '2',
    LEASE_MS: '1000',
    ...options.settings,
  }
  const config = readConfig(settings)
  const app = await openApp(config, redis.url, undefined, redis.connect)
  const { keys } = app
  const mailbox = typeof open === 'function' ? open(app) : open
  const running: ReturnType<typeof startStages>[] = []
  const start = (only?: readonly StageName[]) => {
    const stages = STAGES.filter(({ name }) => only === undefined || only.includes(name))
    const sends = stages.some(({ name }) => name === 'ai-dispatch')
    const sending = sends ? options.sending?.(app) : undefined
    const log = createLog(config, 'test', hidden)
    running.push(startStages(stages, app, { mailboxes: () => mailbox, log, sending }))
  }
  const { cursor } = await mailbox.open({ signal: new AbortController().signal, meter: () => undefined })
  await connectMailbox(app.redis, keys, id, cursor, app.now())
  start(options.only)

  const pipeline: TestPipeline = {
    app,
    mailbox,
    request: () => requestSync(app, id),
    start,

    async quiet() {
      const isQuiet = async () => {
        const [runs, record, backlog] = await Promise.all([
          listRuns(app.redis, keys, 100),
          readMailbox(app.redis, keys, id),
          readBacklog(app.redis, keys, READERS),
        ])
        const idle = record?.activeRun === undefined && record?.dirty === false
        const empty = backlog.every(({ waiting, inWork, delayed }) => (waiting ?? 0) + inWork + delayed === 0)
        return idle && empty && runs.every(run => run.settled)
      }
      // Work that moves between two reads is seen in neither place.
      await until(async () => (await isQuiet()) && (await isQuiet()), 'everything is done')
      return listRuns(app.redis, keys, 100)
    },

    async sync() {
      const name = await pipeline.request()
      const run = (await pipeline.quiet()).find(one => one.run === name)
      if (!run) throw new Error(`run ${name} did not come about`)
      return run
    },

    async read(stream) {
      const entries = await Promise.all(
        keys.partitions.flatMap(partition =>
          (['live', 'bulk'] as const).map(lane =>
            app.redis.xrange(keys.stream(partition, stream.name, lane), '-', '+'),
          ),
        ),
      )
      const envelopes = entries.flat().flatMap(([, fields]) => openEntry(stream, fields[1] ?? '').items)
      return envelopes.sort((a, b) => a.at - b.at)
    },

    async dead(stage) {
      const entries = await Promise.all(
        keys.partitions.map(partition => app.redis.xrange(keys.dead(partition, stage), '-', '+')),
      )
      return entries.flat().map(([, fields]) => Object.fromEntries(pairs(fields)))
    },

    async stopStages() {
      await Promise.all(running.splice(0).map(stages => stages.stop(5000)))
    },

    async stop() {
      await pipeline.stopStages()
      app.close()
    },
  }
  return pipeline
}

function pairs(fields: string[]): [string, string][] {
  return fields.flatMap((field, index): [string, string][] =>
    index % 2 === 0 ? [[field, fields[index + 1] ?? '']] : [],
  )
}
