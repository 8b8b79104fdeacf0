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

/** What asking the folders of a mailbox needs to know. */
export interface AskingOptions extends DeltaOptions, FolderOptions {
  /** How many folders are asked at a time, where each is asked by itself. */
  parallel: number
}

/** A listing under way: how far it came, with the marks themselves. */
export interface UnderWay extends Omit<Progress, 'todo' | 'sweep'> {
  todo: readonly NamedMark[]
  folders: Folders
}

// They become a window, which must fit into one entry of a stream.
const MOST_MESSAGES = 2000
/**
 * Asks folders for a page each, but for those that wait because they were refused: what is new of many at once, for most have nothing; those
 * that have something go on a few at a time. Throws what holds for the whole mailbox.
 */
export async function ask(options: AskingOptions, before: UnderWay, call: Call) {
  const { scope } = before
  const { batchSize, parallel, pageSize, links, now } = options
  const faults = await links.faults()
  const foldersDue = before.foldersDue && !waits(faults, FOLDER_LIST, now())
  const todo = before.todo.filter(({ mark }) => !waits(faults, mark.folder, now()))
  if (!foldersDue && todo.length === 0)
    return { folders: {}, steps: [], faults: await untilNext(options, before, faults) }
  const most = Math.max(1, Math.floor(MOST_MESSAGES / pageSize))
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

// All that is left is refused for the moment.
async function untilNext({ name, now }: AskingOptions, { todo }: UnderWay, faults: Faults): Promise<Faults> {
  const at = nextTry(faults, [FOLDER_LIST, ...todo.map(({ mark }) => mark.folder)], now())
  if (at === undefined) return faults
  const text = `${name}: a folder is refused for the moment; it is asked again`
  throw new MailError('throttled', text, { retryAfterMs: at - now() })
}

/** A listing without the folders that stay refused: where it goes on with them is kept in the cursor. */
export function withoutFaulty(underWay: UnderWay, faults: Faults, now: number): UnderWay {
  const isAside = ({ mark }: NamedMark) => isSetAside(faults, mark.folder, now)
  return {
    ...underWay,
    todo: underWay.todo.filter(one => !isAside(one)),
    done: [...underWay.done, ...underWay.todo.filter(isAside).map(({ name }) => name)],
    foldersDue: underWay.foldersDue && !isSetAside(faults, FOLDER_LIST, now),
  }
}
