import type { MailboxRecord } from '../../shared/redis/mailboxes.ts'

/** What a mailbox is doing, for people. */
export function stateOf({ activeRun, synced, needsReauth, probedAt, pausedAt }: MailboxRecord): string {
  if (needsReauth !== undefined) {
    const asked = probedAt === undefined ? '' : ` (still so at ${new Date(probedAt).toISOString().slice(0, 16)}Z)`
    return `waits for its account: ${needsReauth}${asked}`
  }
  if (pausedAt !== undefined) return 'paused'
  if (activeRun !== undefined) return `run ${activeRun} under way`
  return synced ? 'in sync' : 'never synced'
}

/** How long ago its last change was read, for people. */
export function sinceRead({ cursorAt }: MailboxRecord, now: number): string {
  return cursorAt === undefined ? 'never' : `${Math.round((now - cursorAt) / 1000)} s ago`
}

/** Whether it makes sense to ask its provider: it is neither paused nor waiting for its account. */
export function isReachable({ needsReauth, pausedAt }: MailboxRecord): boolean {
  return needsReauth === undefined && pausedAt === undefined
}
