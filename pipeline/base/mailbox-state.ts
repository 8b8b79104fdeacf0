import type { MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { utcTime } from './times.ts'

/** Describes the state of a mailbox for people. */
export function stateOf({ activeRun, synced, needsReauth, probedAt, pausedAt }: MailboxRecord): string {
  if (needsReauth !== undefined) {
    const probed = probedAt === undefined ? '' : ` (still so at ${utcTime(probedAt, 'minute')} UTC)`
    return `parked: ${needsReauth}${probed}`
  }
  if (pausedAt !== undefined) return 'paused'
  if (activeRun !== undefined) return `run ${activeRun} in progress`
  return synced ? 'in sync' : 'never synced'
}

/** Describes for people how long ago the last change was read. */
export function sinceRead({ cursorAt }: MailboxRecord, now: number): string {
  return cursorAt === undefined ? 'never' : `${Math.round((now - cursorAt) / 1000)} s ago`
}

/** Returns whether the provider may be called for this mailbox: it is neither paused nor parked. */
export function isReachable({ needsReauth, pausedAt }: MailboxRecord): boolean {
  return needsReauth === undefined && pausedAt === undefined
}
