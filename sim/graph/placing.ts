import { systemLabel } from '../labels.ts'
import type { Marks } from './entry.ts'

/** The folder and marks of a mail in an Outlook mailbox. */
export interface Placing extends Marks {
  /** A well-known name, or the path of names to a user folder. */
  folder: string | readonly string[]
  isDraft: boolean
}

// In order of precedence: deleted mail is in the trash whatever else applies.
const FOLDERS: readonly [string, string][] = [
  ['TRASH', 'deleteditems'],
  ['SPAM', 'junkemail'],
  ['DRAFT', 'drafts'],
  ['SENT', 'sentitems'],
  ['CHAT', 'conversationhistory'],
]

/**
 * Returns the place of a mail with these Gmail labels. System labels give the folder and the flags, a label
 * with a slash gives a user folder, and any other a category. Without labels it is in the inbox; with labels
 * but no INBOX, it is archived.
 */
export function placingOf(labels: readonly string[]): Placing {
  const system = labels.flatMap(label => systemLabel(label) ?? [])
  const own = labels.filter(label => systemLabel(label) === undefined)
  const path = own.find(label => label.includes('/'))
  const named = FOLDERS.find(([label]) => system.includes(label))?.[1]
  const kept = labels.length === 0 || system.includes('INBOX') ? 'inbox' : 'archive'
  return {
    folder: named ?? path?.split('/').filter(name => name !== '') ?? kept,
    isDraft: system.includes('DRAFT'),
    isRead: !system.includes('UNREAD'),
    flagged: system.includes('STARRED'),
    important: system.includes('IMPORTANT'),
    categories: own.filter(label => !label.includes('/')),
  }
}
