import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { traitsOf } from '../../shared/provider/traits.ts'
import type { RunEvent } from '../../shared/redis/commit.ts'
import { type RunRecord, runRecord } from '../../shared/redis/runs.ts'
import { FATES } from '../../shared/streams.ts'
import type { Log } from '../base/log.ts'

/** Logs an event of a commit: a change of a run or of a mailbox. */
export function logEvent(event: RunEvent, log: Log): void {
  const { mailbox, reason, entries } = event
  switch (event.event) {
    case 'needs-reauth':
      log.error({ mailbox, reason }, 'mailbox parked; fix the reason, then connect it again or run `resume`')
      break
    case 'entries-dropped':
      log.warn({ mailbox, entries: Number(entries) }, 'dropped entries of a mailbox that is not connected')
      break
    case 'window-refused':
      log.warn(
        { mailbox, run: event.run, window: event.window },
        'an entry of merged contradicts its window; ignored it',
      )
      break
    case 'run-merged':
    case 'run-ended':
      logRun(event, log)
      break
    default:
      event.event satisfies never
  }
}

// Metrics are complete once every id has its fate.
function logRun(event: RunEvent, log: Log): void {
  const run = runRecord(event.run, event)
  if (event.event === 'run-ended') {
    if (run.failure !== undefined) log.error({ run: run.run, mailbox: run.mailbox, reason: run.failure }, 'run failed')
    const facts = { run: run.run, mailbox: run.mailbox, threads: run.threads, waitedMs: run.waitedMs }
    if (run.listed > 0 && run.failure === undefined) log.info(facts, completedLine(run))
    else log.debug(facts, 'run ended')
    return
  }
  const { mailbox, listed, fates, calls, units } = run
  if (listed > 0) log.info({ run: run.run, mailbox }, cacheLine(run))
  const seconds = secondsOf(run)
  log.info({ run: run.run, mailbox, listed, ...fates, calls, units, seconds }, metricsLine(run))
  if (!run.addsUp) {
    log.error(
      { run: run.run, mailbox, listed, ...fates },
      `the run does not add up: listed is not ${FATES.join(' + ')}`,
    )
  }
}

// `Sync metrics - gmail: 50 messages, 14.20s, 3 API calls, 35 cached`
function metricsLine(run: RunRecord): string {
  const calls = Object.values(run.calls).reduce((sum, count) => sum + count, 0)
  const provider = providerOf(run.mailbox as MailboxId)
  return `Sync metrics - ${provider}: ${run.listed} messages, ${secondsOf(run).toFixed(2)}s, ${calls} API calls, ${run.fates.cached} cached`
}

// `Optimized Gmail sync completed for user ana@example.com: 50 messages in 14.2s`
function completedLine({ mailbox, listed, startedAt, endedAt = startedAt }: RunRecord): string {
  const id = mailbox as MailboxId
  const { label } = traitsOf(providerOf(id))
  const seconds = ((endedAt - startedAt) / 1000).toFixed(1)
  return `Optimized ${label} sync completed for user ${addressOf(id)}: ${listed} messages in ${seconds}s`
}

// `Cache hit: 35/50 messages. Need to fetch: 15`
function cacheLine({ listed, fates: { cached, filtered } }: RunRecord): string {
  return `Cache hit: ${cached}/${listed} messages. Need to fetch: ${listed - cached - filtered}`
}

function secondsOf(run: RunRecord): number {
  return ((run.mergedAt ?? run.startedAt) - run.startedAt) / 1000
}
