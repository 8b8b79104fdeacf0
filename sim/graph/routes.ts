import type { Call, GraphAnswer } from './call.ts'
import type { CallKind } from './calls.ts'
import { deleteMessage, moveMessage, updateMessage } from './changes.ts'
import { folderDelta, getFolder, listFolders } from './folder-lists.ts'
import { messageDelta } from './message-delta.ts'
import { getMessage, getMime, listMessages } from './messages.ts'
import { profile } from './profile.ts'

/** A known request, below `/v1.0/me` or `/v1.0/users/…`. */
export interface Route {
  method: string
  /** Words in lower case, and the names of ids after a colon. */
  path: readonly string[]
  kind: CallKind
  answer: (call: Call) => GraphAnswer | Promise<GraphAnswer>
}

const ROUTES: readonly Route[] = [
  route('GET', '', 'profile', profile),
  route('GET', 'mailfolders', 'folders', listFolders),
  route('GET', 'mailfolders/delta', 'folders', folderDelta),
  route('GET', 'mailfolders/:folder', 'folders', getFolder),
  route('GET', 'mailfolders/:folder/childfolders', 'folders', listFolders),
  route('GET', 'mailfolders/:folder/messages', 'list', listMessages),
  route('GET', 'mailfolders/:folder/messages/delta', 'delta', messageDelta),
  route('GET', 'messages', 'list', listMessages),
  route('GET', 'messages/:message', 'get', getMessage),
  route('GET', 'messages/:message/$value', 'get', getMime),
  route('PATCH', 'messages/:message', 'change', updateMessage),
  route('POST', 'messages/:message/move', 'change', moveMessage),
  route('DELETE', 'messages/:message', 'change', deleteMessage),
]

/** Returns the route of a path below a mailbox, with its ids; `undefined` if there is none. */
export function routeOf(
  method: string,
  path: readonly string[],
): { route: Route; ids: Record<string, string> } | undefined {
  for (const one of ROUTES) {
    if (one.method !== method || one.path.length !== path.length) continue
    const ids = new Map<string, string>()
    const fits = one.path.every((word, at) => {
      const given = path[at] ?? ''
      if (!word.startsWith(':')) return word === given.toLowerCase()
      ids.set(word.slice(1), given)
      return true
    })
    if (fits) return { route: one, ids: Object.fromEntries(ids) }
  }
  return undefined
}

function route(method: string, path: string, kind: CallKind, answer: Route['answer']): Route {
  return { method, path: path.split('/').filter(word => word !== ''), kind, answer }
}
