import { MailError } from '../error.ts'
import type { Call } from '../mailbox.ts'
import type { Progress } from './cursor.ts'
import { askFolders, type DeltaOptions } from './delta.ts'
import {
  type Faults,
  FOLDER_LIST,
  isSetAside,
  nextTry,
  noteFaults,
  throwUnlessFolders,
  waits,
  withoutLinks,
} from './faults.ts'
import { type FolderOptions, type Folders, foldersIn } from './folders.ts'
import type { NamedMark } from './marks.ts'

/** Options for asking the folders of a mailbox for changes. */
export interface AskingOptions extends DeltaOptions, FolderOptions {
  /** The number of folders asked at a time when each is asked separately. */
  parallel: number
}

/** A listing in progress, with its marks loaded. */
export interface ListingState extends Omit<Progress, 'todo' | 'sweep'> {
  todo: readonly NamedMark[]
  folders: Folders
}

// The messages become one window, which must fit into one stream entry.
const MAX_MESSAGES = 2000
/**
 * Asks folders for a page each, except folders that wait after a refusal. Ended folders are asked together
 * for news, because most have none; folders with more pages continue a few at a time. Throws errors that
 * concern the whole mailbox.
 */
export async function ask(options: AskingOptions, before: ListingState, call: Call) {
  const { scope } = before
  const { batchSize, parallel, pageSize, links, now } = options
  const faults = await links.faults()
  const foldersDue = before.foldersDue && !waits(faults, FOLDER_LIST, now())
  const todo = before.todo.filter(({ mark }) => !waits(faults, mark.folder, now()))
  if (!foldersDue && todo.length === 0)
    return { folders: {}, steps: [], faults: await untilNext(options, before, faults) }
  const most = Math.max(1, Math.floor(MAX_MESSAGES / pageSize))
  const ended = todo.filter(({ mark }) => mark.end && mark.link !== undefined)
  const isLook = foldersDue || ended.length > 0
  const marks = isLook
    ? ended.slice(0, Math.min((batchSize === 1 ? parallel : batchSize) - (foldersDue ? 1 : 0), most))
    : todo.slice(0, Math.min(parallel, most))
  const link = foldersDue ? before.folders.link : undefined
  const asked = await askFolders(options, { first: link, marks, scope }, call)
  const folders = foldersDue ? await foldersIn(options, before.folders, asked.first, call) : undefined
  const list = foldersDue ? { refused: folders instanceof MailError ? folders : undefined } : undefined
  await throwUnlessFolders(options, { steps: asked.steps, list }, call)
  const steps = withoutLinks(asked.steps, now())
  const found = folders && !(folders instanceof MailError) ? { folders, foldersDue: false } : {}
  const noted = { before: faults, folders: found.folders ?? before.folders, answers: { steps, list } }
  return { folders: found, steps, faults: await noteFaults(options, noted, call) }
}

// All remaining folders are refused for the moment.
async function untilNext({ name, now }: AskingOptions, { todo }: ListingState, faults: Faults): Promise<Faults> {
  const at = nextTry(faults, [FOLDER_LIST, ...todo.map(({ mark }) => mark.folder)], now())
  if (at === undefined) return faults
  const text = `${name}: a folder is refused for the moment; it will be retried`
  throw new MailError('throttled', text, { retryAfterMs: at - now() })
}

/**
 * Removes the folders that stay refused from a listing. The cursor keeps their marks, so a later listing
 * continues them.
 */
export function withoutFaulty(state: ListingState, faults: Faults, now: number): ListingState {
  const isAside = ({ mark }: NamedMark) => isSetAside(faults, mark.folder, now)
  return {
    ...state,
    todo: state.todo.filter(one => !isAside(one)),
    done: [...state.done, ...state.todo.filter(isAside).map(({ name }) => name)],
    foldersDue: state.foldersDue && !isSetAside(faults, FOLDER_LIST, now),
  }
}
