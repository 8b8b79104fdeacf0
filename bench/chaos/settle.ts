import type { AppContext } from '../../pipeline/base/app.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { faultyFolders } from '../../pipeline/commands/folder-state.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { isConnectionError } from '../../shared/redis/connect.ts'
import { readDeferred } from '../../shared/redis/deferred.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { listRuns } from '../../shared/redis/runs.ts'

const LOOK_EVERY_MS = 100
const QUIET_LOOKS = 3
const ALL_RUNS = 10_000

/** Waits until nothing is under way in any mailbox, stage or run; what still is when the deadline has passed, in words. */
export async function untilSettled(
  app: AppContext,
  options: { deadlineMs: number; signal: AbortSignal; pause: (ms: number) => Promise<void> },
): Promise<string[]> {
  const deadline = app.now() + options.deadlineMs
  let open: string[] = []
  // Looked at more than once: the questions are asked one after the other, and work moves between them.
  for (let quiet = 0; quiet < QUIET_LOOKS; quiet = open.length === 0 ? quiet + 1 : 0) {
    if (options.signal.aborted || app.now() > deadline) return open
    await options.pause(LOOK_EVERY_MS)
    open = await underWay(app).catch(error => {
      if (isConnectionError(error)) return ['Redis does not answer']
      throw error
    })
  }
  return []
}

async function underWay({ redis, keys }: AppContext): Promise<string[]> {
  const mailboxes = await listMailboxes(redis, keys)
  const backlog = await readBacklog(redis, keys, STAGES)
  const runs = await listRuns(redis, keys, ALL_RUNS)
  const aside = await Promise.all(
    mailboxes.map(async ({ mailbox }) => ({
      mailbox,
      deferred: (await readDeferred(redis, keys, mailbox)).length,
      folders: (await faultyFolders({ redis, keys }, mailbox)).length,
    })),
  )
  return [
    ...aside
      .filter(({ deferred, folders }) => deferred + folders > 0)
      .map(one => `${one.mailbox} has ${one.deferred} messages and ${one.folders} folders set aside`),
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
