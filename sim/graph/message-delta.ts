import type { Call, GraphAnswer } from './call.ts'
import { type DeltaItem, firstRound, laterRound } from './delta-round.ts'
import { beginning, checkState, type DeltaState, readToken, tokenParameter } from './delta-token.ts'
import type { Folder } from './entry.ts'
import { notSimulated } from './error.ts'
import { folderNamed } from './folders.ts'
import { linkTo } from './links.ts'
import { etagOf, MESSAGE_PROPERTIES, messageId, renderMessage } from './message.ts'
import { allowOnly, oldestFirst, readFilter, selected } from './query.ts'

const DEFAULT_PAGE = 10
const TYPE = { '@odata.type': '#microsoft.graph.message' }

/**
 * Returns a page of a folder's changes: `messages/delta` (learn.microsoft.com/graph/delta-query-messages).
 */
export async function messageDelta(call: Call): Promise<GraphAnswer> {
  const { account, query, ids, prefer, quirks, origin } = call
  const folder = folderNamed(account.folders, ids.folder ?? '')
  const state = readToken(query) ?? begin(call, folder)
  checkState(state, account, folder)

  const path = `mailfolders('${folder.id}')/messages/delta`
  const context = { '@odata.context': `${origin}/v1.0/$metadata#Collection(message)` }
  const nextLink = (next: DeltaState) => linkTo(call, path, tokenParameter('$skiptoken', next))
  if (quirks.emptyPages && !state.empty)
    return { status: 200, body: { ...context, '@odata.nextLink': nextLink({ ...state, empty: true }), value: [] } }

  const round = {
    account,
    folder,
    state,
    filter: readFilter(state.filter ?? null, ['receivedDateTime']),
    size: prefer.pageSize ?? DEFAULT_PAGE,
  }
  const {
    items,
    next,
    round: whole,
  } = state.first
    ? firstRound(round)
    : laterRound(round, { ...prefer, partialReads: quirks.partialReads, untilMs: call.nowMs - quirks.deltaLagMs })
  const { first: _, ...later } = whole
  const link = next
    ? { '@odata.nextLink': nextLink(next) }
    : { '@odata.deltaLink': linkTo(call, path, tokenParameter('$deltatoken', later)) }
  const value = await Promise.all(disturbed(items, call).map(item => render(item, { call, state })))
  return { status: 200, body: { ...context, ...link, value } }
}

function begin({ account, query }: Call, folder: Folder): DeltaState {
  allowOnly(query, ['$select', '$filter', '$orderby'])
  const select = selected(query, MESSAGE_PROPERTIES, 'Microsoft.OutlookServices.Message')
  const filter = query.get('$filter') ?? undefined
  readFilter(filter ?? null, ['receivedDateTime'])
  if (query.has('$orderby') && oldestFirst(query))
    throw notSimulated('A delta in any other order than receivedDateTime desc')
  return {
    ...beginning(account, folder),
    ...(select ? { select: [...select] } : {}),
    ...(filter ? { filter } : {}),
  }
}

/** Repeats or reorders the items of a page if the quirks say so. */
function disturbed(items: readonly DeltaItem[], { quirks, random }: Call): readonly DeltaItem[] {
  const repeated =
    quirks.repeats > 0 ? items.flatMap(item => (random() < quirks.repeats ? [item, item] : [item])) : items
  if (!quirks.shuffled) return repeated
  return repeated
    .map(item => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

async function render({ entry, moves, what }: DeltaItem, { call, state }: { call: Call; state: DeltaState }) {
  const { account, prefer, quirks, bodies } = call
  const id = messageId(entry, account, { immutableIds: prefer.immutableIds, moves })
  if (what === 'deleted' || what === 'changed') {
    const reason = quirks.movesAreDeletions ? 'deleted' : what
    return { ...TYPE, id, '@removed': { reason } }
  }
  const { select } = state
  const partial = what === 'read' && (select === undefined || select.includes('isRead'))
  const item: Record<string, unknown> = partial
    ? { '@odata.etag': etagOf(entry, account), id, isRead: entry.isRead }
    : await renderMessage(entry, account, { select, bodies, ...prefer })
  return { ...TYPE, ...item, ...(quirks.stringFlags && 'isRead' in item ? { isRead: String(item.isRead) } : {}) }
}
