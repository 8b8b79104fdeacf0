import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
import type { Call, Changes, Cursor, Page } from '../mailbox.ts'
import type { Message } from '../message.ts'
import type { LabelFilter } from '../provider/filter.ts'
import { type AskingOptions, ask, type ListingState, withoutFaulty } from './asking.ts'
import { withBodies } from './body.ts'
import { complete } from './complete.ts'
import { type Progress, readCursor, readPage, writeCursor, writePage } from './cursor.ts'
import type { Step } from './delta.ts'
import type { Faults } from './faults.ts'
import { confirmedBy, type Folders, findFolders, knownFolders, leftOutAt, readable } from './folders.ts'
import { isOlder, summarizeItems } from './items.ts'
import { keepMarks, type NamedMark, readMarks } from './marks.ts'
import { scopeOf } from './scope.ts'
import { sweepPage } from './sweep.ts'

/** Options for listing changes. */
export interface ListingOptions extends AskingOptions {
  filter: LabelFilter
  initialSync: InitialSync
}

type FoundChanges = Pick<Changes, 'ids' | 'gone' | 'labels'>
// A missing folder is searched for among all folders; folders that disappear together cost one search.
const MAX_LOOKS = 100
const NOTHING: FoundChanges = { ids: [], gone: [], labels: [] }

/**
 * Lists one page of changes in the folders that are due. A first sync asks each folder for its pages, several
 * folders at a time. Later, folders are asked together for news, and those with more pages continue
 * separately. A folder that Graph has forgotten is listed again, and a sweep of existing messages ends the
 * run.
 */
export async function listChanges(
  options: ListingOptions,
  since: Cursor,
  page: Page | undefined,
  call: Call,
): Promise<Changes> {
  if (page === undefined) return begin(options, since, call)
  const progress = readPage(page)
  const folders = (await knownFolders(options.links)) ?? (await findFolders(options, call))
  if (progress.sweep !== undefined) return sweep(options, progress, folders, call)
  const todo = await readMarks(options.links, progress.todo)
  // A lost mark loses its folder too: the folder is found again as one without a mark.
  const doubt = progress.doubt || todo.length < progress.todo.length
  return continueListing(options, { ...progress, todo, folders, doubt }, progress.doubt, call)
}

async function begin(options: ListingOptions, since: Cursor, call: Call): Promise<Changes> {
  const place = readCursor(since)
  const known = place.at === 'folders' ? await knownFolders(options.links) : undefined
  const folders = known ?? (await findFolders(options, call))
  const toRead = readable(folders, options.skip)
  if (place.at === 'pinned') {
    const { initialSync, now } = options
    const { after } = place
    const scope = await scopeOf(options, { initialSync, folders, after }, call)
    const todo = await keepMarks(
      options.links,
      toRead.map(folder => ({ folder, at: now() })),
    )
    return {
      ...NOTHING,
      ...nextOrCursor({ scope, todo, done: [], foldersDue: false, looks: 0, doubt: after !== undefined, folders }),
    }
  }
  const marks = await readMarks(options.links, place.marks)
  const kept = marks.filter(({ mark }) => toRead.includes(mark.folder))
  const { scope } = place
  const state = { scope, todo: marks, done: [], foldersDue: known !== undefined, looks: 0, doubt: false, folders }
  const whole = await withNewFolders(options, state)
  const doubt = kept.length < place.marks.length || known === undefined
  return continueListing(options, { ...whole, doubt }, false, call)
}

async function continueListing(
  options: ListingOptions,
  before: ListingState,
  doubted: boolean,
  call: Call,
): Promise<Changes> {
  const { folders, steps, faults } = await ask(options, before, call)
  const reported = steps.flatMap(one =>
    one.step === 'page' ? [{ folder: one.from.mark.folder, items: one.items }] : [],
  )
  const confirmed = await confirmedBy(options, folders.folders ?? before.folders, reported)
  const applied = await apply(options, { ...before, ...folders, folders: confirmed, doubt: false }, steps)
  // Folders are matched with marks only after folders or marks have changed.
  const isOther = folders.folders !== undefined || before.doubt !== doubted
  const all = isOther ? await withNewFolders(options, applied) : applied
  const after = withoutFaulty(all, faults, options.now())
  if (after.looks > MAX_LOOKS)
    throw new MailError('unavailable', `${options.name}: folders appear and disappear faster than they can be listed`)
  const items = options.htmlToText && new Map<Message, unknown>()
  const changed = summarizeItems(pagesIn(steps, after, options.skip), options.filter, items)
  const wanted = { reported: changed, scope: after.scope }
  const completed = await complete(options, after.folders, wanted, call)
  const messages = await withBodies(completed.messages, items ?? new Map(), options.htmlToText)
  const found = { ...NOTHING, ...completed, messages }
  const recreated = after.doubt || (before.doubt && !doubted)
  const under = { ...after, doubt: before.doubt || after.doubt }
  return {
    ...found,
    overlaps: true,
    ...(recreated ? { mayBeStale: true } : {}),
    ...nextOrCursor(under),
    ...lookAt(under, faults),
  }
}

function lookAt({ todo }: Pick<ListingState, 'todo'>, faults: Faults): Pick<Changes, 'lookAt'> {
  return todo.length > 0 || faults.size === 0
    ? {}
    : { lookAt: Math.min(...[...faults.values()].map(({ tryAt }) => tryAt)) }
}

async function apply(options: ListingOptions, before: ListingState, steps: readonly Step[]): Promise<ListingState> {
  const moved = steps.flatMap(one => (one.step === 'refused' ? [] : [one]))
  const named = await keepMarks(
    options.links,
    moved.map(({ to }) => to),
  )
  await options.links.retire(moved.flatMap(({ from }, place) => (from.name === named[place]?.name ? [] : [from.name])))
  const lost = steps.some(({ step }) => step === 'lost')
  const asked = new Set(steps.flatMap(({ step, from }) => (step === 'refused' ? [] : [from.name])))
  const under = named.filter(({ mark }) => !mark.end)
  const ended = named.filter(({ mark }) => mark.end)
  const recreated = under.filter(({ mark }) => mark.link === undefined)
  return {
    ...before,
    // A folder in progress continues before another starts.
    todo: [
      ...under.filter(one => !recreated.includes(one)),
      ...before.todo.filter(({ name }) => !asked.has(name)),
      ...recreated,
    ],
    done: [...before.done, ...ended.map(({ name }) => name)],
    foldersDue: before.foldersDue || lost,
    looks: before.looks + (lost ? 1 : 0),
    doubt:
      before.doubt ||
      steps.some(({ step }) => step === 'restart') ||
      // Mail may have been found in it before its listing. A folder that was lost before is already cleaned up.
      steps.some(({ step, from }) => step === 'lost' && !(from.mark.end && from.mark.link === undefined)),
  }
}

// Lists folders without a mark from the beginning, and drops folders that are no longer read; their mail may be
// gone.
async function withNewFolders(options: ListingOptions, state: ListingState): Promise<ListingState> {
  const { todo, done, folders } = state
  const ended = await readMarks(options.links, done)
  const toRead = new Set(readable(folders, options.skip))
  const isRead = ({ mark }: NamedMark) => toRead.has(mark.folder)
  const marked = new Set([...todo, ...ended].map(({ mark }) => mark.folder))
  const lacking = [...toRead].filter(folder => !marked.has(folder))
  await options.links.retire([...todo, ...ended].filter(one => !isRead(one)).map(({ name }) => name))
  const newMarks = await keepMarks(
    options.links,
    lacking.map(folder => ({ folder, at: options.now() })),
  )
  return {
    ...state,
    todo: [...todo.filter(isRead), ...newMarks],
    done: ended.filter(isRead).map(({ name }) => name),
    doubt: state.doubt || ![...todo, ...ended].every(isRead),
  }
}

async function sweep(options: ListingOptions, progress: Progress, folders: Folders, call: Call): Promise<Changes> {
  const { sweep: name = '', scope } = progress
  const [stored] = name === '' ? [] : await readMarks(options.links, [name])
  const { present, next } = await sweepPage(options, { from: stored?.mark, scope, folders }, call)
  const marks = next === undefined ? [] : [{ folder: '', ...next, at: options.now() }]
  const [mark] = await keepMarks(options.links, marks)
  await options.links.retire(stored && stored.name !== mark?.name ? [stored.name] : [])
  if (next === undefined) {
    const faults = await options.links.faults()
    return { ...NOTHING, present, cursor: cursorOf(progress), ...lookAt({ todo: [] }, faults) }
  }
  return { ...NOTHING, present, next: writePage({ ...progress, sweep: mark?.name ?? '' }) }
}

function nextOrCursor(state: ListingState): Pick<Changes, 'next'> | Pick<Changes, 'cursor'> {
  const { todo, foldersDue, doubt } = state
  const progress = { ...state, todo: todo.map(({ name }) => name) }
  if (todo.length > 0 || foldersDue) return { next: writePage(progress) }
  return doubt ? { next: writePage({ ...progress, sweep: '' }) } : { cursor: cursorOf(state) }
}

function cursorOf({ scope, done }: Pick<Progress, 'scope' | 'done'>): Cursor {
  return writeCursor({ at: 'folders', scope, marks: done })
}

// Drops items of folders that are left out by now, and items from before the scope in folders listed without a
// filter.
function pagesIn(steps: readonly Step[], { folders, scope = 0 }: ListingState, skip: readonly string[]) {
  return steps.flatMap((one): (readonly unknown[])[] => {
    const { folder, unfiltered } = one.from.mark
    if (one.step !== 'page' || leftOutAt(folders, folder, skip) !== undefined) return []
    return [unfiltered ? one.items.filter(item => !isOlder(item, scope)) : one.items]
  })
}
