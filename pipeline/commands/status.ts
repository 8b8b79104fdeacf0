import type { Command } from 'commander'
import type { DeferredItem } from '../../shared/redis/deferred.ts'
import type { Narrowing } from '../../shared/redis/quota.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import type { Withheld } from '../../shared/task/worth.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { sinceRead, stateOf } from '../base/mailbox-state.ts'
import { table } from '../base/table.ts'
import { printableLines } from '../base/terminal.ts'
import { utcTime } from '../base/times.ts'
import { withheldCounts } from '../base/withheld.ts'
import { STRANDED } from '../runtime/sending.ts'
import { sinkLines } from '../runtime/sink-facts.ts'
import { unreadLine } from '../runtime/task-room.ts'
import { faultLine } from './folder-state.ts'
import { alertLines, recentAlerts } from './marks.ts'
import { MAX_RUNS, readStatus, type Status } from './status-facts.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the options and the action of `status`. */
export function define(command: Command, contextOf: ContextOf): void {
  command.option('--json', 'print one JSON object', false).action(options => status(contextOf(options)))
}

const MAX_DEFERRED = 20

/** Prints the backlog of each stage and the state of each mailbox. */
export async function status(context: CommandContext): Promise<void> {
  await withReadableApp(context, async app => {
    const found = await readStatus(app)
    context.print(context.json ? asJson(found, app.now()) : asText(found, app.now()))
  })
}

function asJson({ server, unread, newest, stages: backlog, ...found }: Status, now: number): string {
  const { streams: _, ...unreadFacts } = unread
  const { mailboxes, intake, arrivals, narrowed, messageBody, sink, stranded } = found
  const [knownMail, alerts] = [cacheHits(newest), recentAlerts(newest, now)]
  return JSON.stringify({
    redis: server,
    mailboxes,
    backlog,
    intake,
    arrivals,
    knownMail,
    narrowed,
    unread: unreadFacts,
    messageBody,
    ...(sink ? { sink } : {}),
    ...(stranded > 0 ? { stranded } : {}),
    withheld: withheldSum(newest),
    alerts,
  })
}

function asText(status: Status, now: number) {
  const {
    server,
    mailboxes,
    stages: rows,
    intake,
    arrivals,
    newest,
    narrowed,
    unread,
    messageBody,
    sink,
    stranded,
  } = status
  const stages = table(['stage', 'lane', 'waiting', 'in work', 'delayed', 'dead'], 2)
  stages.push(['gateway', 'intake', intake.waiting ?? 'unknown', intake.inWork, '', intake.dead])
  for (const row of rows)
    stages.push(
      row.lane === 'both'
        ? [row.stage, row.lane, '', '', row.delayed, row.dead]
        : [row.stage, row.lane, row.waiting ?? 'unknown', row.inWork, '', ''],
    )
  const boxes = table(['mailbox', 'last change read', 'watch', 'state'], 4)
  for (const record of mailboxes)
    boxes.push([record.mailbox, sinceRead(record, now), record.watch.state, stateOf(record)])
  const { posted, duplicate, stale, unknown } = arrivals
  const notes = printableLines([
    `Notifications: ${posted} accepted, ${duplicate} duplicate, ${stale} stale, ${unknown} of unknown mailboxes`,
    knownMailLine(cacheHits(newest)),
    unreadLine(unread, now),
    ...(sink ? sinkLines(sink) : []),
    ...(stranded > 0 ? [`${stranded} ${STRANDED}`] : []),
    bodyLine(messageBody),
    ...withheldLines(newest),
    ...alertLines(newest, now),
    ...narrowed.map(narrowedLine),
    ...mailboxes.flatMap(one => one.faultyFolders.map(fault => faultLine(one.mailbox, fault))),
    ...mailboxes.flatMap(record => record.idleFilters),
    ...mailboxes.flatMap(({ deferred }) => deferredLines(deferred, now)),
  ])
  return [server, stages.toString(), boxes.toString(), notes].join('\n')
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

function bodyLine({ setting, knownThreads, isCounted }: Status['messageBody']): string {
  const threads = `${isCounted ? '' : 'at least '}${knownThreads} known threads`
  return `MESSAGE_BODY is ${setting}. A change of it gives ${threads} another version; each is then sent again with its next change`
}

function withheldSum(newest: readonly RunRecord[]): RunRecord['withheld'] {
  const sum = (why: Withheld) => newest.reduce((all, { withheld }) => all + withheld[why], 0)
  return { drafts: sum('drafts'), autoReplies: sum('autoReplies'), tooOld: sum('tooOld'), overLimit: sum('overLimit') }
}

function withheldLines(newest: readonly RunRecord[]): string[] {
  const counts = withheldCounts(withheldSum(newest))
  return counts === undefined ? [] : [`Threads without a task in the newest ${MAX_RUNS} runs: ${counts}`]
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
