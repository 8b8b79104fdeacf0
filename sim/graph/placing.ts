import { systemLabel } from '../labels.ts'
import type { Marks } from './entry.ts'

/** Where a mail lies in an Outlook mailbox, and how it is marked there. */
export interface Placing extends Marks {
  /** A well-known name, or the names on the way to a folder of one's own. */
  folder: string | readonly string[]
  isDraft: boolean
}

// In the order in which they count: what was thrown away is there, whatever else it is.
const FOLDERS: readonly [string, string][] = [
  ['TRASH', 'deleteditems'],
  ['SPAM', 'junkemail'],
  ['DRAFT', 'drafts'],
  ['SENT', 'sentitems'],
  ['CHAT', 'conversationhistory'],
]

/**
 * Where a mail with these Gmail labels lies: its system labels name the folder and the flags, a label with a slash a folder of one's
 * own, any other a category. Without labels it is in the inbox; with some, but not INBOX, it was archived.
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
