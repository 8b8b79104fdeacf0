import { SingleBar } from 'cli-progress'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { type MailboxRecord, readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRunsSince, type RunRecord, readRun } from '../../shared/redis/runs.ts'
import { FATES } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { STAGES } from '../base/stages.ts'
import type { Terminal } from '../base/terminal.ts'
import { sleep } from '../base/wait.ts'

const POLL_MS = 50
// Each poll reads every mailbox, so many mailboxes are polled less often: polling must cost little beside the work itself.
const POLL_PER_MAILBOX_MS = 4
const MAX_POLL_MS = 2000
const STALLED_AFTER_MS = 10_000
const STOPPED = 'stopped before the sync finished; the rest resumes at the next start'

/** The runs to follow, and how to report their progress. */
export interface FollowOptions {
  /** Runs count when they were in flight since then (ms since 1970). */
  since: number
  /** The mailboxes that have to become idle. */
  mailboxes: readonly MailboxId[]
  signal: AbortSignal
  /** Where a progress bar is shown; no bar without it. */
  bar: Terminal['screen'] | undefined
  /** Called once when there is no progress for ten seconds. */
  onStall?: () => void
}

/** Waits until these mailboxes have no work in flight, and returns the runs that had. Throws when aborted. */
export async function untilQuiet(app: AppContext, options: FollowOptions): Promise<RunRecord[]> {
  const bar = options.bar ? progressBar(options.bar) : undefined
  const { redis, keys } = app
  // Runs that began earlier and are still in flight.
  const inFlight = new Map<string, MailboxId>()
  const pauseMs = Math.min(MAX_POLL_MS, Math.max(POLL_MS, options.mailboxes.length * POLL_PER_MAILBOX_MS))
  let movedAt = app.now()
  let before = ''
  try {
    for (;;) {
      // Queries run against the flow, so a later query sees work that moved on between two of them.
      const allTaken = await areEventsTaken(app)
      const records = await Promise.all(options.mailboxes.map(mailbox => readMailbox(redis, keys, mailbox)))
      const runs = await runsOf(app, options, records, inFlight)
      bar?.show(runs)
      if (allTaken && records.every(isIdle) && runs.every(run => run.settled || isParked(run, records))) return runs
      const state = JSON.stringify(runs)
      if (options.signal.aborted) throw new MailError('unavailable', STOPPED)
      if (state !== before) movedAt = app.now()
      before = state
      if (app.now() - movedAt > STALLED_AFTER_MS) {
        options.onStall?.()
        movedAt = Number.POSITIVE_INFINITY
      }
      await sleep(pauseMs, options.signal, app.surroundings.machine)
    }
  } finally {
    bar?.stop()
  }
}

// A delayed event has begun its run already, or never will; only new events count.
async function areEventsTaken({ redis, keys }: AppContext): Promise<boolean> {
  const backlog = await readBacklog(redis, keys, STAGES.slice(0, 1))
  return backlog.every(({ waiting, inWork }) => waiting === 0 && inWork === 0)
}

// A mailbox that waits for a person makes no progress automatically.
function isIdle(record: MailboxRecord | undefined): boolean {
  return waitsForPerson(record) || (record?.activeRun === undefined && !record?.dirty)
}

function isParked({ mailbox }: RunRecord, records: readonly (MailboxRecord | undefined)[]): boolean {
  return records.some(record => record?.mailbox === mailbox && waitsForPerson(record))
}

function waitsForPerson(record: MailboxRecord | undefined): boolean {
  return record?.needsReauth !== undefined || record?.pausedAt !== undefined
}

async function runsOf(
  { redis, keys }: AppContext,
  { since, mailboxes }: FollowOptions,
  records: readonly (MailboxRecord | undefined)[],
  inFlight: Map<string, MailboxId>,
): Promise<RunRecord[]> {
  const started = (await listRunsSince(redis, keys, since)).filter(run => mailboxes.some(one => one === run.mailbox))
  for (const record of records) if (record?.activeRun !== undefined) inFlight.set(record.activeRun, record.mailbox)
  const earlier = [...inFlight].filter(([run]) => !started.some(one => one.run === run))
  const found = await Promise.all(earlier.map(([run, mailbox]) => readRun(redis, keys, keys.partitionOf(mailbox), run)))
  return [...found.filter(run => run !== undefined), ...started]
}

/** Returns a function that warns a person about a stall, and names the command that shows the backlog. */
export function stallWarning({ err }: Pick<Terminal, 'err'>): () => void {
  return () => err('No progress for ten seconds. Is every stage running? `mailsluice status` shows the backlog.')
}

function progressBar(screen: Terminal['screen']) {
  const bar = new SingleBar({
    format: '{bar} {value}/{total} messages · {threads} threads · {tasks} tasks · {duration_formatted}',
    stream: screen,
    hideCursor: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  bar.start(0, 0, { threads: 0, tasks: 0 })
  return {
    show(runs: readonly RunRecord[]) {
      const total = (count: (run: RunRecord) => number) => runs.reduce((sum, run) => sum + count(run), 0)
      bar.setTotal(total(run => run.listed))
      bar.update(
        total(run => FATES.reduce((sum, fate) => sum + run.fates[fate], 0)),
        {
          threads: total(run => run.threads),
          tasks: total(run => run.tasks),
        },
      )
    },
    stop: () => bar.stop(),
  }
}
