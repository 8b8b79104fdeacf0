import type { Account } from './account.ts'
import type { Call } from './call.ts'
import { type Entry, newerFirst } from './entry.ts'
import { forbidden, invalid, notFound, refused } from './error.ts'
import { flag, pageSize, pageStart, pageToken } from './parameters.ts'
import { readQuery } from './query.ts'

/**
 * Returns a page of `messages.list`, newest first. Changes between two pages do not shift the later pages.
 */
export async function listMessages(call: Call) {
  const matching = await search(call)
  const { page, next } = pageOf(matching, call)
  return {
    ...(page.length === 0 ? {} : { messages: page.map(({ id, threadId }) => ({ id, threadId })) }),
    ...next,
    resultSizeEstimate: matching.length,
  }
}

/** Returns a page of `threads.list`: threads with a matching message, by their newest one. */
export async function listThreads(call: Call) {
  const newest = new Map<string, Entry>()
  for (const entry of await search(call)) if (!newest.has(entry.threadId)) newest.set(entry.threadId, entry)
  const { page, next } = pageOf([...newest.values()], call)
  const threads = await Promise.all(page.map(entry => threadHead(call.account, entry.threadId)))
  return { ...(page.length === 0 ? {} : { threads }), ...next, resultSizeEstimate: newest.size }
}

/** Returns a thread's id, newest snippet and history id; throws a 404 if there is no such thread. */
async function threadHead(account: Account, threadId: string) {
  const entries = account.thread(threadId)
  const newest = entries.at(-1)
  if (!newest) throw notFound()
  const { snippet } = await account.content(newest)
  return { id: threadId, snippet, historyId: String(Math.max(...entries.map(entry => entry.historyId))) }
}

async function search({ account, query, nowMs, scopes }: Call): Promise<Entry[]> {
  const text = query.get('q') ?? ''
  // Google refuses this even with another scope that allows it.
  if (text !== '' && scopes.includes('metadata')) throw forbidden("Metadata scope does not support 'q' parameter")
  const labels = query.getAll('labelIds')
  for (const label of labels) if (!account.labels.find(label)) throw refused(`Invalid label: ${label}`)
  const asked = readQuery(text, account, nowMs)
  const everywhere =
    asked.everywhere || flag(query, 'includeSpamTrash') || labels.includes('SPAM') || labels.includes('TRASH')
  const found: Entry[] = []
  for (const entry of account.newestFirst()) {
    const { labelIds } = entry
    if (!everywhere && (labelIds.includes('SPAM') || labelIds.includes('TRASH'))) continue
    if (!labels.every(label => labelIds.includes(label))) continue
    const fits = asked.matches(entry)
    if (fits === true || (fits !== false && (await fits))) found.push(entry)
  }
  return found
}

// The token names the last message listed, not a count, so that changes do not shift the pages.
function pageOf(
  matching: readonly Entry[],
  { query, account }: Call,
): { page: Entry[]; next: { nextPageToken?: string } } {
  const start = pageStart(query)
  const after = start && account.at(start.after)
  if (start && !after) throw invalid('Invalid pageToken', 'pageToken')
  const rest = after ? matching.filter(entry => newerFirst(after, entry) < 0) : matching
  const page = rest.slice(0, pageSize(query))
  const last = page.at(-1)
  const more = last && page.length < rest.length
  return { page, next: more ? { nextPageToken: pageToken({ after: last.index, empty: false }) } : {} }
}
