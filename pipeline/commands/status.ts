import type { Command } from 'commander'
import type { Lane } from '../../shared/envelope.ts'
import { providerOf } from '../../shared/mailbox.ts'
import { countArrivals } from '../../shared/redis/arrivals.ts'
import { type Backlog, readBacklog } from '../../shared/redis/backlog.ts'
import { redisLabel } from '../../shared/redis/connect.ts'
import { type DeferredItem, readDeferred } from '../../shared/redis/deferred.ts'
import { readIntake } from '../../shared/redis/intake.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { type Narrowing, readNarrowing } from '../../shared/redis/quota.ts'
import { listRuns, type RunRecord } from '../../shared/redis/runs.ts'
import { readUnread } from '../../shared/redis/unread.ts'
import { readWatch, type WatchRecord } from '../../shared/redis/watches.ts'
import { requestsSet } from '../accounts/quotas.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { sinceRead, stateOf } from '../base/mailbox-state.ts'
import { STAGES } from '../base/stages.ts'
import { table } from '../base/table.ts'
import { printableLines } from '../base/terminal.ts'
import { utcTime } from '../base/times.ts'
import { unmatchedFilters } from '../runtime/findings.ts'
import { taskLimits, unreadLine } from '../runtime/task-room.ts'
import { faultLine, faultyFolders } from './folder-state.ts'
import { alertLines, recentAlerts } from './marks.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the options and the action of `status`. */
export function define(command: Command, contextOf: ContextOf): void {
  command.option('--json', 'print one JSON object', false).action(options => status(contextOf(options)))
}

const MAX_RUNS = 100
const MAX_DEFERRED = 20

/** Prints the backlog of each stage and the state of each mailbox. */
export async function status(context: CommandContext): Promise<void> {
  await withReadableApp(context, async app => {
    const { redis, keys, config, now } = app
    const [records, backlog, intake, arrivals, newest, server, unread] = await Promise.all([
      listMailboxes(redis, keys),
      readBacklog(redis, keys, STAGES),
      readIntake(redis, keys),
      countArrivals(redis, keys),
      listRuns(redis, keys, MAX_RUNS),
      redisLabel(redis),
      readUnread(redis, keys, taskLimits(app)),
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
    const narrowed = (
      await Promise.all(
        records.map(({ mailbox }) => readNarrowing(app, mailbox, requestsSet(providerOf(mailbox), config))),
      )
    ).filter(narrowing => narrowing !== undefined)
    const waiting = rowsOf(backlog)
    if (context.json) {
      const knownMail = cacheHits(newest)
      const alerts = recentAlerts(newest, now())
      const { streams: _, ...unreadFacts } = unread
      context.print(
        JSON.stringify({
          redis: server,
          mailboxes,
          backlog: waiting,
          intake,
          arrivals,
          knownMail,
          narrowed,
          unread: unreadFacts,
          alerts,
        }),
      )
      return
    }
    const stages = table(['stage', 'lane', 'waiting', 'in work', 'delayed', 'dead'], 2)
    stages.push(['gateway', 'intake', intake.waiting ?? 'unknown', intake.inWork, '', intake.dead])
    for (const row of waiting)
      stages.push(
        row.lane === 'both'
          ? [row.stage, row.lane, '', '', row.delayed, row.dead]
          : [row.stage, row.lane, row.waiting ?? 'unknown', row.inWork, '', ''],
      )
    const boxes = table(['mailbox', 'last change read', 'watch', 'state'], 4)
    for (const record of mailboxes)
      boxes.push([record.mailbox, sinceRead(record, now()), record.watch.state, stateOf(record)])
    const { posted, duplicate, stale, unknown } = arrivals
    const notifications = `Notifications: ${posted} accepted, ${duplicate} duplicate, ${stale} stale, ${unknown} of unknown mailboxes`
    const faulty = mailboxes.flatMap(one => one.faultyFolders.map(fault => faultLine(one.mailbox, fault)))
    const idle = mailboxes.flatMap(record => record.idleFilters)
    const deferredNotes = mailboxes.flatMap(({ deferred }) => deferredLines(deferred, now()))
    const lines = [
      notifications,
      knownMailLine(cacheHits(newest)),
      unreadLine(unread, now()),
      ...alertLines(newest, now()),
    ]
    const notes = printableLines([...lines, ...narrowed.map(narrowedLine), ...faulty, ...idle, ...deferredNotes])
    context.print([server, stages.toString(), boxes.toString(), notes].join('\n'))
  })
}

// Delayed work and dead letters are counted per stage: they keep no lane.
function rowsOf(backlog: readonly Backlog[]): (Omit<Backlog, 'lane'> & { lane: Lane | 'both' })[] {
  return STAGES.flatMap(({ name: stage }) => {
    const rows = backlog.filter(row => row.stage === stage)
    const sum = (count: (row: Backlog) => number) => rows.reduce((total, row) => total + count(row), 0)
    const both = { delayed: sum(row => row.delayed), dead: sum(row => row.dead) }
    const known = rows.every(row => row.known)
    return [
      ...rows.map(row => ({ ...row, delayed: 0, dead: 0 })),
      { stage, lane: 'both', waiting: 0, known, inWork: 0, ...both } as const,
    ]
  })
}

interface CacheHits {
  reread: number
  lost: number
  /** The share of re-read messages that were still cached; `null` where none was re-read. */
  share: number | null
}

function cacheHits(runs: readonly RunRecord[]): CacheHits {
  const reread = runs.reduce((sum, run) => sum + run.reread, 0)
  const lost = runs.reduce((sum, run) => sum + run.lost, 0)
  return { reread, lost, share: reread > 0 ? (reread - lost) / reread : null }
}

function knownMailLine({ reread, lost, share }: CacheHits): string {
  const known = share === null ? 'unknown' : `${Math.floor(share * 100)} %`
  return `Known messages still cached when a thread needed them: ${known} (${reread - lost} of ${reread} messages, newest ${MAX_RUNS} runs)`
}

function narrowedLine({ mailbox, requests, set, since }: Narrowing & { since: number }): string {
  const limit = `${requests} concurrent requests instead of ${set}`
  const at = utcTime(since, 'minute')
  return `${mailbox}: ${limit}, because the provider refused more at ${at} UTC; back to ${set} after a day without such a refusal`
}

function deferredLines(items: readonly DeferredItem[], now: number): string[] {
  const lines = items.slice(0, MAX_DEFERRED).map(({ mailbox, id, stage, since, attempts, reason }) => {
    const times = `failed ${attempts} times in ${stage} in ${Math.round((now - since) / 1000)} s`
    return `${mailbox}: ${id} is deferred and will be retried; ${times}, last error: ${reason}`
  })
  const more = items.length - lines.length
  return more > 0 ? [...lines, `${items[0]?.mailbox}: ${more} more are deferred`] : lines
}

function stateOfWatch({ expiresAt, failure, off }: WatchRecord, now: number): string {
  if (off) return 'off'
  const lasts = expiresAt !== undefined && expiresAt > now
  const until = lasts ? `until ${new Date(expiresAt).toISOString().slice(0, 10)}` : expiresAt ? 'expired' : 'none'
  return failure === undefined ? until : `${until}; renewal failed: ${failure}`
}
