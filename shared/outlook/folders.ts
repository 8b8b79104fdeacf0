import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import type { Links } from '../provider/links.ts'
import { errorOf, type Judging } from './errors.ts'
import { readDeltaPage } from './items.ts'
import { pagesOf } from './prefer.ts'
import { askTogether, type TogetherOptions } from './together.ts'

/** The folders of a mailbox: each one's parent, the well-known folders, and the link to later changes. */
export interface Folders {
  link: string
  parents: Readonly<Record<string, string>>
  wellKnown: Readonly<Record<string, string>>
  /** A message has named its folder by one of these ids. An unknown id therefore means another folder. */
  confirmed?: boolean | undefined
}

/** Options for finding folders. `skip` holds labels whose well-known folders are left out. */
export interface FolderOptions extends TogetherOptions {
  name: string
  user: string
  links: Links
  skip: readonly string[]
}

// learn.microsoft.com/graph/api/resources/mailfolder: these folders hold no mail of the owner's, or unsent
// mail.
const NEVER_READ = ['outbox', 'conversationhistory', 'syncissues', 'recoverableitemsroot']
// Keys are Gmail's label names.
const SKIPPED = new Map([
  ['TRASH', 'deleteditems'],
  ['BIN', 'deleteditems'],
  ['SPAM', 'junkemail'],
  ['DRAFT', 'drafts'],
  ['DRAFTS', 'drafts'],
  ['SENT', 'sentitems'],
  ['INBOX', 'inbox'],
])
const FIRST = ['inbox', 'sentitems']
const WELL_KNOWN = [...new Set([...FIRST, ...SKIPPED.values(), ...NEVER_READ])]
const FOLDERS_PER_PAGE = 200
const ENOUGH_PAGES = 100

const foldersSchema = z.object({
  link: z.string(),
  parents: z.record(z.string(), z.string()),
  wellKnown: z.record(z.string(), z.string()),
  confirmed: z.boolean().optional(),
})
const folderItem = z.object({
  id: z.string().min(1),
  parentFolderId: z.string().nullish(),
  '@removed': z.unknown().optional(),
})
const itemFolder = z.object({ parentFolderId: z.string() })
const withId = z.object({ id: z.string().min(1) })

/** Whether a skipped label names a well-known folder rather than a category. */
export function isFolderName(label: string): boolean {
  return SKIPPED.has(label.toUpperCase())
}

/** Returns the folders as last stored; `undefined` if they were lost. */
export async function knownFolders(links: Links): Promise<Folders | undefined> {
  try {
    return foldersSchema.safeParse(JSON.parse((await links.folders()) ?? '')).data
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/**
 * Finds all folders and the well-known ones among them, and stores them. Costs one call, and one more for
 * each further 200 folders.
 */
export async function findFolders(options: FolderOptions, call: Call): Promise<Folders> {
  const { name, user } = options
  const doing = `finding the folders of ${name}`
  const urls = WELL_KNOWN.map(one => `${user}/mailFolders/${one}?$select=id`)
  const link = `${user}/mailFolders/delta?$select=displayName,parentFolderId`
  const prefer = pagesOf(FOLDERS_PER_PAGE)
  const answers = await askTogether(options, [...urls, link], { doing, call, kind: 'list', prefer })
  const wellKnown = new Map<string, string>()
  for (const [place, one] of WELL_KNOWN.entries()) {
    const answer = answers[place]
    const id = answer?.status === 200 ? withId.safeParse(answer.body).data?.id : undefined
    if (id !== undefined) wellKnown.set(one, id)
    // Not every mailbox has all of them. A folder that could not be checked might be one to leave out.
    else if (!isAbsent(one, answer)) throw refusal(options, answer, doing)
  }
  const all = answers[WELL_KNOWN.length]
  if (all?.status !== 200) throw refusal(options, all, doing)
  return follow(options, { link, parents: {}, wellKnown: Object.fromEntries(wellKnown) }, all, call)
}

/**
 * Updates and stores the folders from the answer to their link and its next pages. Finds all folders again if
 * Graph has forgotten the link. Returns an error that says why they must be asked for again.
 */
export async function foldersIn(
  options: FolderOptions,
  known: Folders,
  answer: Answer | undefined,
  call: Call,
): Promise<Folders | MailError> {
  if (answer?.status === 200) return follow(options, known, answer, call)
  const doing = `listing folders of ${options.name}`
  const error = refusal({ ...options, notFound: 'expired' }, answer, doing)
  // A link refused for its content is damaged, or belongs to somebody else.
  const isOfLink = error.kind === 'expired' || error.kind === 'rejected' || error.blames === 'access'
  if (!isOfLink) return error
  try {
    return await findFolders(options, call)
  } catch (thrown) {
    if (thrown instanceof MailError) return thrown
    throw thrown
  }
}

async function follow(options: FolderOptions, known: Folders, first: Answer, call: Call): Promise<Folders> {
  const doing = `listing folders of ${options.name}`
  const headers = { prefer: pagesOf(FOLDERS_PER_PAGE) }
  let folders = known
  let answer = first
  for (let pages = 0; pages < ENOUGH_PAGES; pages++) {
    if (answer.status !== 200) throw errorOf(answer, doing, options)
    const page = readDeltaPage(answer, doing)
    folders = withChanges(folders, page)
    if (page.later !== undefined) {
      await options.links.keepFolders(JSON.stringify(folders))
      return folders
    }
    if (page.next === undefined) break
    answer = await options.client.ask({ doing, call, kind: 'delta', units: 1 }, { url: page.next, headers })
  }
  throw new MailError('unavailable', `${doing}: the listing of folders does not end`)
}

// Returns the folders with the changes of a page and its link.
function withChanges(folders: Folders, page: ReturnType<typeof readDeltaPage>): Folders {
  const parents = new Map(Object.entries(folders.parents))
  for (const item of page.items) {
    const { success, data } = folderItem.safeParse(item)
    if (!success) continue
    if (data['@removed'] != null) parents.delete(data.id)
    // A change may contain only the changed fields.
    else parents.set(data.id, data.parentFolderId ?? parents.get(data.id) ?? '')
  }
  return { ...folders, parents: Object.fromEntries(parents), link: page.later ?? page.next ?? folders.link }
}

/** Marks the folders as confirmed, and stores that, if an item names the folder it was listed in. */
export async function confirmedBy(
  { links }: FolderOptions,
  folders: Folders,
  pages: readonly { folder: string; items: readonly unknown[] }[],
): Promise<Folders> {
  const isNamed = ({ folder, items }: (typeof pages)[number]) =>
    items.some(item => itemFolder.safeParse(item).data?.parentFolderId === folder)
  if (folders.confirmed || !pages.some(isNamed)) return folders
  const confirmed = { ...folders, confirmed: true }
  await links.keepFolders(JSON.stringify(confirmed))
  return confirmed
}

/** Returns the folders to read, the inbox first: all except those left out and their subfolders. */
export function readable(folders: Folders, skip: readonly string[]): string[] {
  const { parents, wellKnown } = folders
  const first = FIRST.flatMap(name => ownOf(wellKnown, name) ?? [])
  const all = Object.keys(parents)
    .filter(folder => leftOutAt(folders, folder, skip) === undefined)
    .sort()
  return [...first.filter(folder => all.includes(folder)), ...all.filter(folder => !first.includes(folder))]
}

/**
 * Returns the reason to leave out mail in a folder; `undefined` if it is read, or if the folder was not
 * named. Mail in an unknown folder is left out until that folder is found and listed, because it may
 * disappear before that.
 */
export function leftOutAt(
  { parents, wellKnown, confirmed }: Folders,
  folder: string,
  skip: readonly string[],
): string | undefined {
  const named = new Map(Object.entries(wellKnown).map(([name, id]) => [id, name]))
  const left = new Set([...NEVER_READ, ...skip.flatMap(label => SKIPPED.get(label.toUpperCase()) ?? [])])
  const seen = new Set<string>()
  const isKnown = folder === '' || ownOf(parents, folder) !== undefined || named.has(folder)
  if (!isKnown) return confirmed ? 'in a folder that is not known yet' : undefined
  for (let at = folder; at !== '' && !seen.has(at); at = ownOf(parents, at) ?? '') {
    seen.add(at)
    const name = named.get(at)
    if (name !== undefined && left.has(name)) return `in the folder ${name}`
  }
  return undefined
}

// Folders that are never read may also be forbidden.
function isAbsent(name: string, answer: Answer | undefined): boolean {
  return [400, 404, ...(NEVER_READ.includes(name) ? [403] : [])].includes(answer?.status ?? 0)
}

function refusal(judging: Judging, answer: Answer | undefined, doing: string): MailError {
  if (answer) return errorOf(answer, doing, judging)
  return new MailError('unavailable', `${doing}: the answer does not mention one of them`)
}
