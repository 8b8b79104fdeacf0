import type { Account, Entry } from './account.ts'
import { invalid, notFound } from './error.ts'
import { flag, pageSize, pageToken, tokenPosition } from './parameters.ts'
import { readQuery } from './query.ts'

interface Listing {
  account: Account
  query: URLSearchParams
  nowMs: number
}

/** A page of `messages.list`, newest first; mail delivered between two pages moves none of the later pages. */
export function listMessages(listing: Listing) {
  const matching = search(listing)
  const { page, next } = pageOf(matching, listing.query)
  return {
    ...(page.length === 0 ? {} : { messages: page.map(({ id, threadId }) => ({ id, threadId })) }),
    ...next,
    resultSizeEstimate: matching.length,
  }
}

/** A page of `threads.list`: threads with a matching message, by their newest one. */
export async function listThreads(listing: Listing) {
  const newest = new Map<string, Entry>()
  for (const entry of search(listing)) if (!newest.has(entry.threadId)) newest.set(entry.threadId, entry)
  const { page, next } = pageOf([...newest.values()], listing.query)
  const threads = await Promise.all(page.map(entry => threadHead(listing.account, entry.threadId)))
  return { ...(page.length === 0 ? {} : { threads }), ...next, resultSizeEstimate: newest.size }
}

/** A thread's id, newest snippet and history id; throws a 404 where there is no such thread. */
async function threadHead(account: Account, threadId: string) {
  const entries = account.thread(threadId)
  const newest = entries.at(-1)
  if (!newest) throw notFound()
  const { snippet } = await account.content(newest)
  return { id: threadId, snippet, historyId: String(Math.max(...entries.map(entry => entry.historyId))) }
}

/**
 * A page of `history.list` after `startHistoryId`, oldest first. Throws a 404 where that id is older than what is kept, or was never
 * reached (a cursor of a mailbox that has since been loaded anew).
 */
export function listHistory({ account, query }: Listing) {
  const start = query.get('startHistoryId')
  if (start === null) throw invalid('Missing required parameter: startHistoryId', 'startHistoryId')
  if (!/^\d{1,20}$/.test(start))
    throw invalid(`Invalid value at 'start_history_id' (TYPE_UINT64), "${start}"`, 'startHistoryId')
  const { currentId, oldestId } = account.history()
  if (Number(start) < oldestId || Number(start) > currentId) throw notFound()

  const after = tokenPosition(query) ?? Number(start)
  const label = query.get('labelId')
  const types = query.getAll('historyTypes')
  const wanted = types.length === 0 || types.includes('messageAdded')
  const records = wanted
    ? account.entries().filter(entry => entry.historyId > after && (label === null || entry.labelIds.includes(label)))
    : []
  const page = records.slice(0, pageSize(query))
  const last = page.at(-1)
  return {
    ...(page.length === 0 ? {} : { history: page.map(historyRecord) }),
    ...(last && page.length < records.length ? { nextPageToken: pageToken(last.historyId) } : {}),
    historyId: String(currentId),
  }
}

function historyRecord({ id, threadId, labelIds, historyId }: Entry) {
  const message = { id, threadId, ...(labelIds.length === 0 ? {} : { labelIds }) }
  return { id: String(historyId), messages: [{ id, threadId }], messagesAdded: [{ message }] }
}

function search({ account, query, nowMs }: Listing): Entry[] {
  const labels = query.getAll('labelIds')
  const asked = readQuery(query.get('q') ?? '', account, nowMs)
  const everywhere =
    asked.everywhere || flag(query, 'includeSpamTrash') || labels.includes('SPAM') || labels.includes('TRASH')
  return account.newestFirst().filter(entry => {
    const { labelIds } = entry
    if (!everywhere && (labelIds.includes('SPAM') || labelIds.includes('TRASH'))) return false
    return labels.every(label => labelIds.includes(label)) && asked.matches(entry)
  })
}

// The token names the last message listed, not a count: what arrives meanwhile must not shift the pages.
function pageOf(
  matching: readonly Entry[],
  query: URLSearchParams,
): { page: Entry[]; next: { nextPageToken?: string } } {
  const after = tokenPosition(query)
  const from = after === undefined ? 0 : matching.findIndex(entry => entry.index === after) + 1
  if (after !== undefined && from === 0) throw invalid('Invalid pageToken', 'pageToken')
  const page = matching.slice(from, from + pageSize(query))
  const last = page.at(-1)
  return { page, next: last && from + page.length < matching.length ? { nextPageToken: pageToken(last.index) } : {} }
}
