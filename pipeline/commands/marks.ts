import type { RunRecord } from '../../shared/redis/runs.ts'

const DAY_MS = 24 * 3_600_000
const MOST_LINES = 10

/** What a run is marked with, such as `slow, cold-cache`. */
export function marksOf({ alerts }: RunRecord): string {
  return alerts.map(({ alert, level }) => (level === 'error' ? `very ${alert}` : alert)).join(', ')
}

/** Warnings and errors of runs that ended within a day, for people: the newest first, ten at most, then how many more there are. */
export function alertLines(runs: readonly RunRecord[], now: number): string[] {
  const recent = recentAlerts(runs, now)
  const lines = recent
    .slice(0, MOST_LINES)
    .map(({ run, mailbox, level, text }) => `${level} ${mailbox}, run ${run}: ${text}`)
  const more = recent.length - lines.length
  return more > 0 ? [...lines, `${more} more warnings today: \`mailsluice runs --json\` has them all`] : lines
}

/** The same with their figures. */
export function recentAlerts(runs: readonly RunRecord[], now: number) {
  const recent = runs.filter(({ endedAt }) => endedAt !== undefined && now - endedAt < DAY_MS)
  return recent.flatMap(({ run, mailbox, alerts }) =>
    alerts.filter(({ level }) => level !== 'mark').map(alert => ({ run, mailbox, ...alert })),
  )
}
