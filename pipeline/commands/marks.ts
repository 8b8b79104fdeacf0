import type { RunRecord } from '../../shared/redis/runs.ts'

const DAY_MS = 24 * 3_600_000
const MAX_LINES = 10

/** Returns the alerts of a run in words, such as `slow, cold-cache`. */
export function marksOf({ alerts }: RunRecord): string {
  return alerts.map(({ alert, level }) => (level === 'error' ? `very ${alert}` : alert)).join(', ')
}

/** Describes warnings and errors of runs that ended within a day, newest first: at most ten lines, then the number of the others. */
export function alertLines(runs: readonly RunRecord[], now: number): string[] {
  const recent = recentAlerts(runs, now)
  const lines = recent
    .slice(0, MAX_LINES)
    .map(({ run, mailbox, level, text }) => `${level} ${mailbox}, run ${run}: ${text}`)
  const more = recent.length - lines.length
  return more > 0 ? [...lines, `${more} more warnings today; \`mailsluice runs --json\` shows them all`] : lines
}

/** Returns the warnings and errors of runs that ended within a day, with their figures. */
export function recentAlerts(runs: readonly RunRecord[], now: number) {
  const recent = runs.filter(({ endedAt }) => endedAt !== undefined && now - endedAt < DAY_MS)
  return recent.flatMap(({ run, mailbox, alerts }) =>
    alerts.filter(({ level }) => level !== 'mark').map(alert => ({ run, mailbox, ...alert })),
  )
}
