import { SingleBar } from 'cli-progress'
import { MailError } from '../shared/error.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { listMailboxes } from '../shared/redis/mailboxes.ts'
import { listRuns, type RunRecord, readBacklog } from '../shared/redis/runs.ts'
import { FATES } from '../shared/streams.ts'
import { STAGES } from './stages.ts'
import { sleep } from './wait.ts'
import type { Office } from './wire.ts'

const LOOK_EVERY_MS = 50
const MANY_RUNS = 1000
const PATIENCE_MS = 10_000
const STOPPED = 'stopped before everything was synced; what is left goes on at the next start'

export interface FollowOptions {
  /** Runs that were under way since then (ms since 1970) count. */
  since: number
  /** Only this mailbox's runs; without it, everything has to come to rest. */
  mailbox?: MailboxId
  signal: AbortSignal
  bar: boolean
  /** Told once when nothing has moved for ten seconds. */
  onStandstill?: () => void
}

/** Waits until nothing is under way any more; answers the runs that were. Shows a progress bar if asked to. Throws when aborted. */
export async function untilQuiet(office: Office, options: FollowOptions): Promise<RunRecord[]> {
  const bar = options.bar ? progressBar() : undefined
  let movedAt = office.now()
  let before = ''
  try {
    for (;;) {
      const runs = await runsSince(office, options)
      bar?.show(runs)
      const state = JSON.stringify(runs)
      // Looked at twice: a run may have begun and ended between two questions.
      if (state === before && (await isQuiet(office, runs, options.mailbox))) return runs
      if (options.signal.aborted) throw new MailError('unavailable', STOPPED)
      if (state !== before) movedAt = office.now()
      before = state
      if (office.now() - movedAt > PATIENCE_MS) {
        options.onStandstill?.()
        movedAt = Number.POSITIVE_INFINITY
      }
      await sleep(LOOK_EVERY_MS, options.signal)
    }
  } finally {
    bar?.stop()
  }
}

// The cheap questions first.
async function isQuiet({ redis, keys }: Office, runs: readonly RunRecord[], mailbox: MailboxId | undefined): Promise<boolean> {
  if (!runs.every(run => run.settled)) return false
  const mailboxes = (await listMailboxes(redis, keys)).filter(one => mailbox === undefined || one.mailbox === mailbox)
  if (mailboxes.some(({ activeRun, dirty }) => activeRun !== undefined || dirty)) return false
  const backlog = await readBacklog(redis, keys, mailbox === undefined ? STAGES : STAGES.slice(0, 1))
  return backlog.every(({ waiting, inWork, delayed }) => (waiting ?? 0) + inWork + delayed === 0)
}

async function runsSince({ redis, keys }: Office, { since, mailbox }: FollowOptions): Promise<RunRecord[]> {
  const runs = await listRuns(redis, keys, MANY_RUNS)
  const ofInterest = (run: RunRecord) => mailbox === undefined || run.mailbox === mailbox
  const current = (run: RunRecord) => run.startedAt >= since || run.endedAt === undefined || run.endedAt >= since
  return runs.filter(run => ofInterest(run) && current(run)).reverse()
}

function progressBar() {
  const bar = new SingleBar({
    format: '{bar} {value}/{total} messages · {threads} threads · {tasks} tasks · {duration_formatted}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  bar.start(0, 0, { threads: 0, tasks: 0 })
  return {
    show(runs: readonly RunRecord[]) {
      const total = (count: (run: RunRecord) => number) => runs.reduce((sum, run) => sum + count(run), 0)
      bar.setTotal(total(run => run.listed))
      bar.update(total(run => FATES.reduce((sum, fate) => sum + run.fates[fate], 0)), {
        threads: total(run => run.threads),
        tasks: total(run => run.tasks),
      })
    },
    stop: () => bar.stop(),
  }
}
