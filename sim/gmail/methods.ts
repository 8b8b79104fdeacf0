/** The cost tables: for projects created since May 2026, and for older ones. */
export const QUOTA_TABLES = ['2026', 'legacy'] as const
export type QuotaTable = (typeof QUOTA_TABLES)[number]

/**
 * A permission of a token, named like Google's scopes after `https://www.googleapis.com/auth/gmail.`; `full`
 * is `https://mail.google.com/`.
 */
export type Scope = 'full' | 'modify' | 'readonly' | 'metadata' | 'labels' | 'insert' | 'compose' | 'send'

/** A method of Gmail's API: its name in Google's documents, its path, and its cost. */
export interface Method {
  name: string
  verb: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** After `/gmail/v1/users/{userId}/`. */
  path: string
  units: Readonly<Record<QuotaTable, number>>
  /** The scopes, any of which allows it. */
  scopes: readonly Scope[]
  /** Its query parameters, besides the common ones. */
  query: readonly string[]
  /** Whether it accepts a mail upload, under `/upload`. */
  uploads: boolean
}

const READ: readonly Scope[] = ['full', 'modify', 'readonly', 'metadata']
const CHANGE: readonly Scope[] = ['full', 'modify']
const LABELS: readonly Scope[] = ['full', 'modify', 'labels']
const INSERT: readonly Scope[] = ['full', 'modify', 'insert']
const FULL: readonly Scope[] = ['full']
const UPLOADS = ['messages.insert', 'messages.import', 'messages.send']
const LIST = ['includeSpamTrash', 'labelIds', 'maxResults', 'pageToken', 'q']
const GET = ['format', 'metadataHeaders']
const PUT = ['deleted', 'internalDateSource']
const HISTORY = ['historyTypes', 'labelId', 'maxResults', 'pageToken', 'startHistoryId']

/**
 * The simulated methods. In 2026 only the costs of messages.get, attachments.get and threads.get changed
 * (developers.google.com/workspace/gmail/api/reference/quota).
 */
export const METHODS = [
  method('getProfile', 'GET profile', 1, [...READ, 'compose']),
  method('watch', 'POST watch', 100, READ),
  method('stop', 'POST stop', 50, READ),
  method('history.list', 'GET history', 2, READ, HISTORY),
  method('labels.list', 'GET labels', 1, [...READ, 'labels']),
  method('labels.get', 'GET labels/:id', 1, [...READ, 'labels']),
  method('labels.create', 'POST labels', 5, LABELS),
  method('labels.update', 'PUT labels/:id', 5, LABELS),
  method('labels.patch', 'PATCH labels/:id', 5, LABELS),
  method('labels.delete', 'DELETE labels/:id', 5, LABELS),
  method('messages.list', 'GET messages', 5, READ, LIST),
  method('messages.get', 'GET messages/:id', { 2026: 20, legacy: 5 }, READ, GET),
  method('messages.attachments.get', 'GET messages/:messageId/attachments/:id', { 2026: 20, legacy: 5 }, [
    'full',
    'modify',
    'readonly',
  ]),
  method('messages.insert', 'POST messages', 25, INSERT, PUT),
  method('messages.import', 'POST messages/import', 25, INSERT, [...PUT, 'neverMarkSpam', 'processForCalendar']),
  method('messages.send', 'POST messages/send', 100, ['full', 'modify', 'compose', 'send']),
  method('messages.modify', 'POST messages/:id/modify', 5, CHANGE),
  method('messages.batchModify', 'POST messages/batchModify', 50, CHANGE),
  method('messages.trash', 'POST messages/:id/trash', 5, CHANGE),
  method('messages.untrash', 'POST messages/:id/untrash', 5, CHANGE),
  method('messages.delete', 'DELETE messages/:id', 10, FULL),
  method('messages.batchDelete', 'POST messages/batchDelete', 50, FULL),
  method('threads.list', 'GET threads', 10, READ, LIST),
  method('threads.get', 'GET threads/:id', { 2026: 40, legacy: 10 }, READ, GET),
  method('threads.modify', 'POST threads/:id/modify', 10, CHANGE),
  method('threads.trash', 'POST threads/:id/trash', 10, CHANGE),
  method('threads.untrash', 'POST threads/:id/untrash', 10, CHANGE),
  method('threads.delete', 'DELETE threads/:id', 20, FULL),
] as const

export type MethodName = (typeof METHODS)[number]['name']

const PATTERNS = METHODS.map(({ name, verb, path, units }) => ({
  name,
  units,
  pattern: new RegExp(`^${verb} (/resumable)?(/upload)?/gmail/v1/users/[^/]+/${path.replace(/:\w+/g, '[^/]+')}$`),
}))

/** Returns the method of a request, including uploads; `undefined` if it is not simulated. */
export function methodOf(verb: string, url: string): { name: MethodName; units: Method['units'] } | undefined {
  const asked = `${verb} ${url.split('?', 1)[0]}`
  return PATTERNS.find(({ pattern }) => pattern.test(asked))
}

function method<const Name extends string>(
  name: Name,
  asked: string,
  cost: number | Method['units'],
  scopes: readonly Scope[],
  query: readonly string[] = [],
): Method & { name: Name } {
  const [verb, path = ''] = asked.split(' ')
  const units = typeof cost === 'number' ? { 2026: cost, legacy: cost } : cost
  return { name, verb: verb as Method['verb'], path, units, scopes, query, uploads: UPLOADS.includes(name) }
}
