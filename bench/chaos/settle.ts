import type { AppContext } from '../../pipeline/base/app.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { faultyFolders } from '../../pipeline/commands/folder-state.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { isConnectionError } from '../../shared/redis/connect.ts'
import { readDeferred } from '../../shared/redis/deferred.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { listRuns } from '../../shared/redis/runs.ts'

const POLL_MS = 100
const IDLE_POLLS = 3
const ALL_RUNS = 10_000

/** Waits until no mailbox, stage or run has work in flight; returns the rest in words when the deadline has passed. */
export async function untilSettled(
  app: AppContext,
  options: { deadlineMs: number; signal: AbortSignal; pause: (ms: number) => Promise<void> },
): Promise<string[]> {
  const deadline = app.now() + options.deadlineMs
  let open: string[] = []
  // Several idle polls are required: the queries of one poll run in sequence, and work moves between them.
  for (let idle = 0; idle < IDLE_POLLS; idle = open.length === 0 ? idle + 1 : 0) {
    if (options.signal.aborted || app.now() > deadline) return open
    await options.pause(POLL_MS)
    open = await inFlight(app).catch(error => {
      if (isConnectionError(error)) return ['Redis does not answer']
      throw error
    })
  }
  return []
}

async function inFlight({ redis, keys }: AppContext): Promise<string[]> {
  const mailboxes = await listMailboxes(redis, keys)
  const backlog = await readBacklog(redis, keys, STAGES)
  const runs = await listRuns(redis, keys, ALL_RUNS)
  const deferrals = await Promise.all(
    mailboxes.map(async ({ mailbox }) => ({
      mailbox,
      deferred: (await readDeferred(redis, keys, mailbox)).length,
      folders: (await faultyFolders({ redis, keys }, mailbox)).length,
    })),
  )
  return [
    ...deferrals
      .filter(({ deferred, folders }) => deferred + folders > 0)
      .map(one => `${one.mailbox} has ${one.deferred} deferred messages and ${one.folders} faulty folders`),
    ...mailboxes.flatMap(({ mailbox, activeRun, dirty, needsReauth }) => [
      ...(activeRun === undefined ? [] : [`${mailbox} has the active run ${activeRun}`]),
      ...(dirty ? [`${mailbox} waits for another run`] : []),
      ...(needsReauth === undefined ? [] : [`${mailbox} waits for a person: ${needsReauth}`]),
    ]),
    ...backlog
      .filter(({ waiting = 1, inWork, delayed }) => waiting + inWork + delayed > 0)
      .map(row => `${row.stage} ${row.lane}: ${row.waiting} wait, ${row.inWork} in work, ${row.delayed} delayed`),
    ...runs
      .filter(run => !run.settled)
      .map(run => `run ${run.run} of ${run.mailbox} has not settled: ${run.threads} threads, ${run.tasks} tasks`),
  ]
}
