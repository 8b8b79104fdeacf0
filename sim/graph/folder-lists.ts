import type { Call, GraphAnswer } from './call.ts'
import { beginning, checkState, type DeltaState, readToken, tokenParameter } from './delta-token.ts'
import type { Folder } from './entry.ts'
import { FOLDER_PROPERTIES, renderFolder } from './folder.ts'
import { folderNamed } from './folders.ts'
import { contextOf, linkTo, nextPage } from './links.ts'
import { allowOnly, pageOf, selected } from './query.ts'

const TYPE = 'Microsoft.OutlookServices.MailFolder'
const HIDDEN = 'includeHiddenFolders'
const DEFAULT_PAGE = 10

/** Lists the folders below the root, or below the folder in the path; hidden ones only on request. */
export function listFolders(call: Call): GraphAnswer {
  const { account, query, ids } = call
  allowOnly(query, ['$select', '$top', '$skip', '$count', HIDDEN])
  const select = selected(query, FOLDER_PROPERTIES, TYPE)
  const parent =
    ids.folder === undefined ? account.folders.wellKnown('msgfolderroot') : folderNamed(account.folders, ids.folder)
  const { top, skip } = pageOf(query)
  const folders = account.folders.children(parent).filter(shown(query.get(HIDDEN) === 'true'))
  const path = ids.folder === undefined ? 'mailFolders' : `mailFolders('${parent.id}')/childFolders`
  return {
    status: 200,
    body: {
      ...contextOf(call, path),
      ...(query.get('$count') === 'true' ? { '@odata.count': folders.length } : {}),
      value: folders.slice(skip, skip + top).map(folder => renderFolder(folder, account, select)),
      ...(skip + top < folders.length ? { '@odata.nextLink': nextPage(call, path, skip + top) } : {}),
    },
  }
}

/** Returns one folder, by its id or its well-known name. */
export function getFolder(call: Call): GraphAnswer {
  const { account, query, ids } = call
  allowOnly(query, ['$select'])
  const select = selected(query, FOLDER_PROPERTIES, TYPE)
  const folder = folderNamed(account.folders, ids.folder ?? '')
  return { status: 200, body: { ...contextOf(call, 'mailFolders/$entity'), ...renderFolder(folder, account, select) } }
}

/** Returns a page of new, changed and removed folders: `mailFolders/delta`, through the whole tree. */
export function folderDelta(call: Call): GraphAnswer {
  const { account, query, prefer, origin } = call
  const state = readToken(query) ?? begin(call)
  checkState(state, account, undefined)
  const size = prefer.pageSize ?? DEFAULT_PAGE
  const folders = state.first ? present(call, state) : changed(call, state)
  // Both lists only grow at their ends during a round, or lose folders that then appear as removed.
  const left = folders.filter(({ order }) => order > (state.after ?? -1))
  const page = left.slice(0, size)
  const last = page.at(-1)
  const { after: _, first: __, ...later } = state
  const link =
    last && left.length > page.length
      ? {
          '@odata.nextLink': linkTo(
            call,
            'mailFolders/delta',
            tokenParameter('$skiptoken', { ...state, after: last.order }),
          ),
        }
      : {
          '@odata.deltaLink': linkTo(
            call,
            'mailFolders/delta',
            tokenParameter('$deltatoken', state.first ? later : { ...later, since: account.sequence.current() }),
          ),
        }
  const value = page.map(({ folder }) =>
    folder.deleted ? { id: folder.id, '@removed': { reason: 'deleted' } } : renderFolder(folder, account, state.select),
  )
  return { status: 200, body: { '@odata.context': `${origin}/v1.0/$metadata#Collection(mailFolder)`, ...link, value } }
}

function begin({ account, query }: Call): DeltaState {
  allowOnly(query, ['$select', HIDDEN])
  const select = selected(query, FOLDER_PROPERTIES, TYPE)
  return {
    ...beginning(account, undefined),
    ...(select ? { select: [...select] } : {}),
    ...(query.get(HIDDEN) === 'true' ? { hidden: true } : {}),
  }
}

/** A folder and its position in the round. */
interface FolderPosition {
  folder: Folder
  order: number
}

function present({ account }: Call, { hidden }: DeltaState): FolderPosition[] {
  const folders = account.folders.all().filter(({ parent }) => parent !== undefined)
  return folders.filter(shown(hidden)).map(folder => ({ folder, order: folder.index }))
}

function changed({ account, quirks }: Call, { since, hidden }: DeltaState): FolderPosition[] {
  const orders = new Map<Folder, number>()
  const note = (folder: Folder, order: number) => {
    // Moved to the end, the place of the latest change.
    orders.delete(folder)
    orders.set(folder, order)
  }
  const counts = quirks.countChanges ? account.changes.after(since) : []
  const all = [...account.folderChanges.after(since), ...counts].sort((a, b) => a.sequence - b.sequence)
  for (const change of all) {
    // Each of two folders has its own order, because a page may end between them.
    note(change.folder, 2 * change.sequence)
    if ('to' in change) note(change.to, 2 * change.sequence + 1)
  }
  return [...orders].map(([folder, order]) => ({ folder, order })).filter(({ folder }) => shown(hidden)(folder))
}

function shown(hidden: boolean | undefined): (folder: Folder) => boolean {
  return folder => hidden === true || !folder.hidden
}
