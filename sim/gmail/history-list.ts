import type { Call } from './call.ts'
import { invalid, notFound } from './error.ts'
import { CHANGE_KINDS, type Change, type ChangeKind, type HistoryRecord } from './history-log.ts'
import { type PageStart, pageSize, pageStart, pageToken } from './parameters.ts'
import { isBare } from './quirks.ts'

type Listed = HistoryRecord & { bare: boolean }

/**
 * Returns a page of `history.list` after `startHistoryId`, oldest first. Throws a 404 if that id has expired,
 * or was never reached (a cursor of a mailbox that was reloaded).
 */
export function listHistory(call: Call) {
  const { account, query, nowMs, quirks } = call
  const { history } = account
  const startId = startOf(query)
  if (startId < history.oldestId() || startId > history.currentId()) throw notFound()

  const visibleId = history.visibleId(nowMs - quirks.historyLagMs)
  const historyId = String(Math.max(visibleId, startId))
  const { after, empty } = pageStart(query) ?? { after: startId, empty: quirks.emptyPages }
  const size = pageSize(query)
  const found = listAfter(call, { after, visibleId, limit: size + 1 })
  if (empty && found.length > 0) return { nextPageToken: pageToken({ after, empty: false }), historyId }

  const page = found.slice(0, size)
  const last = page.at(-1)
  const next: PageStart | undefined =
    last && found.length > size ? { after: last.id, empty: quirks.emptyPages } : undefined
  return {
    ...(page.length === 0 ? {} : { history: page.map(renderRecord) }),
    ...(next ? { nextPageToken: pageToken(next) } : {}),
    historyId,
  }
}

function listAfter(call: Call, { after, visibleId, limit }: { after: number; visibleId: number; limit: number }) {
  const { account, query, quirks } = call
  const wanted = wantedChange(query)
  const found: Listed[] = []
  for (const record of account.history.after(after)) {
    if (record.id > visibleId || found.length >= limit) break
    const bare = isBare(record.id, quirks.bareRecords)
    // A record without kinds matches every kind.
    const changes = record.changes.filter(change => wanted(bare ? { ...change, kind: undefined } : change))
    if (changes.length > 0) found.push({ ...record, changes, bare })
  }
  return found
}

function startOf(query: URLSearchParams): number {
  const start = query.get('startHistoryId')
  if (start === null) throw invalid('Missing required parameter: startHistoryId', 'startHistoryId')
  if (/^\d{1,20}$/.test(start)) return Number(start)
  throw invalid(`Invalid value at 'start_history_id' (TYPE_UINT64), "${start}"`, 'startHistoryId')
}

function wantedChange(query: URLSearchParams): (change: Change) => boolean {
  const label = query.get('labelId')
  const kinds = query.getAll('historyTypes')
  for (const kind of kinds)
    if (!CHANGE_KINDS.some(known => known === kind))
      throw invalid(
        `Invalid value at 'history_types' (type.googleapis.com/gmail.HistoryType), "${kind}"`,
        'historyTypes',
      )
  return ({ kind, entry, labelIds }) =>
    (kind === undefined || kinds.length === 0 || kinds.includes(kind)) &&
    (label === null || entry.labelIds.includes(label) || labelIds.includes(label))
}

const FIELDS = {
  messageAdded: 'messagesAdded',
  messageDeleted: 'messagesDeleted',
  labelAdded: 'labelsAdded',
  labelRemoved: 'labelsRemoved',
} as const satisfies Readonly<Record<ChangeKind, string>>

function renderRecord({ id, changes, bare }: Listed) {
  const messages = new Map(changes.map(({ entry }) => [entry.id, { id: entry.id, threadId: entry.threadId }]))
  const record: Partial<Record<(typeof FIELDS)[ChangeKind], unknown[]>> = {}
  for (const { entry, kind, labelIds } of bare ? [] : changes) {
    if (kind === undefined) continue
    const labelled = entry.labelIds.length === 0 ? {} : { labelIds: entry.labelIds }
    const change = { message: { id: entry.id, threadId: entry.threadId, ...labelled } }
    const list = record[FIELDS[kind]] ?? []
    record[FIELDS[kind]] = list
    list.push(labelIds.length === 0 ? change : { ...change, labelIds })
  }
  return { id: String(id), messages: [...messages.values()], ...record }
}
