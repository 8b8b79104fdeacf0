import type { Lane } from '../../shared/envelope.ts'
import { countArrivals } from '../../shared/redis/arrivals.ts'
import { type Backlog, readBacklog } from '../../shared/redis/backlog.ts'
import { redisLabel } from '../../shared/redis/connect.ts'
import { readDeferred } from '../../shared/redis/deferred.ts'
import { readIntake } from '../../shared/redis/intake.ts'
import { countKnownThreads } from '../../shared/redis/known.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { readNarrowing } from '../../shared/redis/quota.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { readUnread } from '../../shared/redis/unread.ts'
import { readWatch, type WatchRecord } from '../../shared/redis/watches.ts'
import { SENDER } from '../../shared/stage.ts'
import { requestsSet } from '../accounts/quotas.ts'
import type { AppContext } from '../base/app.ts'
import { READERS } from '../base/stages.ts'
import { unmatchedFilters } from '../runtime/findings.ts'
import { unsent } from '../runtime/sending.ts'
import { readSink } from '../runtime/sink-facts.ts'
import { taskLimits } from '../runtime/task-room.ts'
import { faultyFolders } from './folder-state.ts'

/** The number of newest runs that `status` reads. */
export const MAX_RUNS = 100

/** Everything that `status` shows. */
export type Status = Awaited<ReturnType<typeof readStatus>>

/** Reads the backlog of each stage, the state of each mailbox, and the newest runs. Only reads. */
export async function readStatus(app: AppContext) {
  const { redis, keys, config, now } = app
  const [records, backlog, intake, arrivals, newest, server, unread, sink] = await Promise.all([
    listMailboxes(redis, keys),
    readBacklog(redis, keys, READERS),
    readIntake(redis, keys),
    countArrivals(redis, keys),
    listRuns(redis, keys, MAX_RUNS),
    redisLabel(redis),
    readUnread(redis, keys, taskLimits(app)),
    readSink(app),
  ])
  const mailboxes = await Promise.all(
    records.map(async record => {
      const watch = await readWatch(redis, keys, record.mailbox)
      const folders = await faultyFolders(app, record.mailbox)
      const deferred = await readDeferred(redis, keys, record.mailbox)
      const idle = await unmatchedFilters(app, record.mailbox)
      return {
        ...record,
        idleFilters: idle,
        deferred,
        watch: { ...watch, state: stateOfWatch(watch, now()) },
        faultyFolders: folders,
      }
    }),
  )
  const counts = await Promise.all(records.map(({ mailbox }) => countKnownThreads(redis, keys, mailbox)))
  const messageBody = {
    setting: config.MESSAGE_BODY,
    knownThreads: counts.reduce((sum, { threads }) => sum + threads, 0),
    isCounted: counts.every(({ isWhole }) => isWhole),
  }
  const narrowed = (
    await Promise.all(records.map(({ mailbox }) => readNarrowing(app, mailbox, requestsSet(mailbox, config))))
  ).filter(narrowing => narrowing !== undefined)
  const stranded = config.AI_SINK === 'stream' ? await unsent(app) : 0
  return {
    server,
    mailboxes,
    stages: rowsOf(backlog),
    intake,
    arrivals,
    newest,
    narrowed,
    unread,
    messageBody,
    sink,
    stranded,
  }
}

// Delayed work and dead letters are counted per stage: they keep no lane.
function rowsOf(backlog: readonly Backlog[]): (Omit<Backlog, 'lane'> & { lane: Lane | 'both' })[] {
  return READERS.flatMap(({ name: stage }) => {
    const rows = backlog.filter(row => row.stage === stage)
    // Without a sink nothing was ever sent.
    if (stage === SENDER && rows.every(({ known, waiting, delayed, dead }) => !known && !waiting && !delayed && !dead))
      return []
    const sum = (count: (row: Backlog) => number) => rows.reduce((total, row) => total + count(row), 0)
    const both = { delayed: sum(row => row.delayed), dead: sum(row => row.dead) }
    const known = rows.every(row => row.known)
    return [
      ...rows.map(row => ({ ...row, delayed: 0, dead: 0 })),
      { stage, lane: 'both', waiting: 0, known, inWork: 0, ...both } as const,
    ]
  })
}

function stateOfWatch({ expiresAt, failure, off }: WatchRecord, now: number): string {
  if (off) return 'off'
  const lasts = expiresAt !== undefined && expiresAt > now
  const until = lasts ? `until ${new Date(expiresAt).toISOString().slice(0, 10)}` : expiresAt ? 'expired' : 'none'
  return failure === undefined ? until : `${until}; renewal failed: ${failure}`
}
