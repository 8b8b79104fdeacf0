import type { Command } from 'commander'
import { listRuns, type RunRecord } from '../../shared/redis/runs.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { table } from '../base/table.ts'
import { utcTime } from '../base/times.ts'
import { withheldIn } from '../base/withheld.ts'
import { checked, wholeNumber } from './arguments.ts'
import { marksOf } from './marks.ts'
import { callsByKind } from './summary.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the options and the action of `runs`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .option('--limit <count>', 'show at most this many', checked(wholeNumber(1, 1000)), 20)
    .option('--json', 'print one JSON object', false)
    .action(options => runs(contextOf(options), options.limit))
}

/** Prints the newest runs. */
export async function runs(context: CommandContext, limit: number): Promise<void> {
  await withReadableApp(context, async ({ redis, keys }) => {
    const found = await listRuns(redis, keys, limit)
    if (context.json) {
      context.print(JSON.stringify({ runs: found }))
      return
    }
    const rows = table(
      ['run', 'started', 'mailbox', 'cause', 'messages', 'threads', 'tasks', 'calls', 'state', 'marks'],
      4,
    )
    for (const run of found) {
      const ended = run.addsUp ? endOf(run) : 'counts do not add up'
      const healed = run.healedBy && `healed by ${run.healedBy}`
      const state = healed ?? run.failure ?? (run.endedAt === undefined ? 'in flight' : ended)
      const started = utcTime(run.startedAt, 'second')
      rows.push([
        run.run,
        started,
        run.mailbox,
        run.cause,
        run.listed,
        run.threads,
        run.tasks,
        callsByKind(run),
        state,
        marksOf(run),
      ])
    }
    context.print(found.length > 0 ? rows.toString() : 'No runs yet: `mailsluice push MAILBOX` requests one.')
  })
}

function endOf({ fates: { deferred }, givenUp, threads, tasks, unchanged, withheld, settled }: RunRecord): string {
  const without = withheldIn(withheld)
  if (givenUp > 0) return `${givenUp} of ${threads} threads dead-lettered: see \`mailsluice dead list\``
  if (!settled) return `${threads - tasks - unchanged - without} of ${threads} threads not dispatched yet`
  const parts = [...(deferred > 0 ? [`${deferred} deferred`] : []), ...(without > 0 ? [`${without} withheld`] : [])]
  return ['ok', ...parts].join(', ')
}
