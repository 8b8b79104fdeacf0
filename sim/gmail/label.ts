import { systemLabel } from '../labels.ts'
import type { Account } from './account.ts'
import { notFound } from './error.ts'

/** All labels of a mailbox, system labels first. */
export function listLabels(account: Account) {
  return { labels: [...account.labels()].map(([id, name]) => describe(id, name)) }
}

/** One label with its counts; throws a 404 where there is no such label. */
export function renderLabel(account: Account, id: string) {
  const name = account.labels().get(id)
  if (name === undefined) throw notFound()
  const labelled = account.entries().filter(entry => entry.labelIds.includes(id))
  const unread = labelled.filter(entry => entry.labelIds.includes('UNREAD'))
  return {
    ...describe(id, name),
    messagesTotal: labelled.length,
    messagesUnread: unread.length,
    threadsTotal: new Set(labelled.map(entry => entry.threadId)).size,
    threadsUnread: new Set(unread.map(entry => entry.threadId)).size,
  }
}

function describe(id: string, name: string) {
  return { id, name, type: systemLabel(id) === id ? 'system' : 'user' }
}
