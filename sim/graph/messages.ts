import type { Call, GraphAnswer } from './call.ts'
import type { Entry, Folder } from './entry.ts'
import { badRequest, notFound } from './error.ts'
import { folderNamed } from './folders.ts'
import { contextOf, nextPage } from './links.ts'
import { type Asking, MESSAGE_PROPERTIES, renderMessage } from './message.ts'
import { allowOnly, oldestFirst, pageOf, readFilter, selected } from './query.ts'

const LIST = ['$select', '$top', '$skip', '$orderby', '$filter', '$count']
const FILTERS = ['receivedDateTime', 'isDraft', 'isRead']

/** Lists the messages of a mailbox, or of the folder in the path. */
export async function listMessages(call: Call): Promise<GraphAnswer> {
  const { account, query, ids } = call
  allowOnly(query, LIST)
  const folder = ids.folder === undefined ? undefined : folderNamed(account.folders, ids.folder)
  const asking = askingOf(call)
  const { top, skip } = pageOf(query)
  const found = listed(call, folder)
  const page = found.slice(skip, skip + top)
  const path = folder ? `mailFolders('${folder.id}')/messages` : 'messages'
  return {
    status: 200,
    body: {
      ...contextOf(call, path),
      ...(query.get('$count') === 'true' ? { '@odata.count': found.length } : {}),
      value: await Promise.all(page.map(entry => renderMessage(entry, account, asking))),
      ...(skip + top < found.length ? { '@odata.nextLink': nextPage(call, path, skip + top) } : {}),
    },
  }
}

/** Returns one message. */
export async function getMessage(call: Call): Promise<GraphAnswer> {
  allowOnly(call.query, ['$select'])
  const message = await renderMessage(entryOf(call), call.account, askingOf(call))
  return { status: 200, body: { ...contextOf(call, 'messages/$entity'), ...message } }
}

/** Returns a message's bytes as received. */
export async function getMime(call: Call): Promise<GraphAnswer> {
  const { raw } = await call.account.content(entryOf(call))
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: raw }
}

/**
 * Returns the message in the path, by either of its ids; throws a 404 if there is none, a 400 if it cannot be
 * an id.
 */
export function entryOf({ account, ids }: Call): Entry {
  const id = ids.message ?? ''
  const entry = account.find(id)
  if (entry) return entry
  if (/^[\w-]{60,}={0,2}$/.test(id)) throw notFound()
  throw badRequest('Id is malformed.', 'ErrorInvalidIdMalformed')
}

/** Returns how to render the messages of a call. */
function askingOf({ query, prefer, bodies }: Call): Asking {
  const select = selected(query, MESSAGE_PROPERTIES, 'Microsoft.OutlookServices.Message')
  return { select, immutableIds: prefer.immutableIds, textBody: prefer.textBody, bodies }
}

function listed({ account, query }: Call, folder: Folder | undefined): readonly Entry[] {
  const text = query.get('$filter')
  // learn.microsoft.com/graph/api/user-list-messages: a property in $orderby must come first in $filter.
  if (text && query.has('$orderby') && !/^receivedDateTime /.test(text.trim()))
    throw badRequest('The restriction or sort order is too complex for this operation.', 'InefficientFilter')
  const filter = readFilter(text, FILTERS)
  const all = account.messages.newestFirst(folder)
  const found = text ? all.filter(filter) : all
  return oldestFirst(query) ? found.toReversed() : found
}
