import { SingleBar } from 'cli-progress'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { type MailboxRecord, readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRunsSince, type RunRecord, readRun } from '../../shared/redis/runs.ts'
import { FATES } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { STAGES } from '../base/stages.ts'
import { err, screen } from '../base/terminal.ts'
import { sleep } from '../base/wait.ts'

const LOOK_EVERY_MS = 50
// A look asks for each mailbox: for many it is made less often, so that it costs little beside the work that is looked at.
const PAUSE_A_MAILBOX_MS = 4
const LONGEST_PAUSE_MS = 2000
const PATIENCE_MS = 10_000
const STOPPED = 'stopped before everything was synced; what is left goes on at the next start'

export interface FollowOptions {
  /** Runs that were under way since then (ms since 1970) count. */
  since: number
  /** The mailboxes that have to come to rest. */
  mailboxes: readonly MailboxId[]
  signal: AbortSignal
  bar: boolean
  /** Told once when nothing has moved for ten seconds. */
  onStandstill?: () => void
}

/** Waits until nothing is under way in these mailboxes any more; answers the runs that were. Shows a progress bar if asked to. Throws when aborted. */
export async function untilQuiet(app: AppContext, options: FollowOptions): Promise<RunRecord[]> {
  const bar = options.bar ? progressBar() : undefined
  const { redis, keys } = app
  // Runs that had begun before and were met under way.
  const underWay = new Map<string, MailboxId>()
  const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(LOOK_EVERY_MS, options.mailboxes.length * PAUSE_A_MAILBOX_MS))
  let movedAt = app.now()
  let before = ''
  try {
    for (;;) {
      // Asked against the flow: what is taken up between two questions is seen by the later one.
      const fresh = await areEventsTaken(app)
      const records = await Promise.all(options.mailboxes.map(mailbox => readMailbox(redis, keys, mailbox)))
      const runs = await runsOf(app, options, records, underWay)
      bar?.show(runs)
      if (fresh && records.every(isAtRest) && runs.every(run => run.settled || isParked(run, records))) return runs
      const state = JSON.stringify(runs)
      if (options.signal.aborted) throw new MailError('unavailable', STOPPED)
      if (state !== before) movedAt = app.now()
      before = state
      if (app.now() - movedAt > PATIENCE_MS) {
        options.onStandstill?.()
        movedAt = Number.POSITIVE_INFINITY
      }
      await sleep(pauseMs, options.signal)
    }
  } finally {
    bar?.stop()
  }
}

// An event that waits to be tried again has begun its run, or will never; only fresh ones are looked for.
async function areEventsTaken({ redis, keys }: AppContext): Promise<boolean> {
  const backlog = await readBacklog(redis, keys, STAGES.slice(0, 1))
  return backlog.every(({ waiting, inWork }) => waiting === 0 && inWork === 0)
}

// A mailbox that waits for a person moves no more by itself.
function isAtRest(record: MailboxRecord | undefined): boolean {
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
  underWay: Map<string, MailboxId>,
): Promise<RunRecord[]> {
  const started = (await listRunsSince(redis, keys, since)).filter(run => mailboxes.some(one => one === run.mailbox))
  for (const record of records) if (record?.activeRun !== undefined) underWay.set(record.activeRun, record.mailbox)
  const earlier = [...underWay].filter(([run]) => !started.some(one => one.run === run))
  const found = await Promise.all(earlier.map(([run, mailbox]) => readRun(redis, keys, keys.partitionOf(mailbox), run)))
  return [...found.filter(run => run !== undefined), ...started]
}

/** Tells a person that nothing moves, and where to look. */
export function warnOfStandstill(): void {
  err('Nothing has moved for ten seconds: is every stage running? `mailsluice status` shows what waits where.')
}

function progressBar() {
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
