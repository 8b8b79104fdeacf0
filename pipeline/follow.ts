import { SingleBar } from 'cli-progress'
import { MailError } from '../shared/error.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { readMailbox } from '../shared/redis/mailboxes.ts'
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
  /** The mailboxes that have to come to rest. */
  mailboxes: readonly MailboxId[]
  signal: AbortSignal
  bar: boolean
  /** Told once when nothing has moved for ten seconds. */
  onStandstill?: () => void
}

/** Waits until nothing is under way in these mailboxes any more; answers the runs that were. Shows a progress bar if asked to. Throws when aborted. */
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
      if (state === before && (await isQuiet(office, runs, options.mailboxes))) return runs
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

// The cheap questions first. A watch event that waits to be tried again has begun its run, so only fresh ones are looked for.
async function isQuiet(
  { redis, keys }: Office,
  runs: readonly RunRecord[],
  mailboxes: readonly MailboxId[],
): Promise<boolean> {
  const records = await Promise.all(mailboxes.map(mailbox => readMailbox(redis, keys, mailbox)))
  // A mailbox that waits for a person moves no more by itself.
  const parked = records.filter(record => record?.needsReauth !== undefined)
  const isParked = (mailbox: string) => parked.some(record => record?.mailbox === mailbox)
  if (!runs.every(run => run.settled || isParked(run.mailbox))) return false
  const moving = records.filter(record => !parked.includes(record))
  if (moving.some(record => record?.activeRun !== undefined || record?.dirty)) return false
  const backlog = await readBacklog(redis, keys, STAGES.slice(0, 1))
  return backlog.every(({ waiting, inWork }) => (waiting ?? 0) + inWork === 0)
}

async function runsSince({ redis, keys }: Office, { since, mailboxes }: FollowOptions): Promise<RunRecord[]> {
  const runs = await listRuns(redis, keys, MANY_RUNS)
  const ofInterest = (run: RunRecord) => mailboxes.some(mailbox => mailbox === run.mailbox)
  const current = (run: RunRecord) => run.startedAt >= since || run.endedAt === undefined || run.endedAt >= since
  return runs.filter(run => ofInterest(run) && current(run)).reverse()
}

/** Tells a person that nothing moves, and where to look. */
export function warnOfStandstill(): void {
  process.stderr.write(
    'Nothing has moved for ten seconds: is every stage running? `mailsluice status` shows what waits where.\n',
  )
}

function progressBar() {
  const bar = new SingleBar({
    format: '{bar} {value}/{total} messages · {threads} threads · {tasks} tasks · {duration_formatted}',
    stream: process.stderr,
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
