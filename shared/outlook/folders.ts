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

/** The folders of a mailbox: each one's parent, which of them are the well-known ones, and the link to what will change about them. */
export interface Folders {
  link: string
  parents: Readonly<Record<string, string>>
  wellKnown: Readonly<Record<string, string>>
  /** A message was seen that names its folder by one of these ids: so an id that is not among them is of another folder. */
  confirmed?: boolean | undefined
}

/** What looking for folders needs to know; `skip` are labels whose well-known folders are left out. */
export interface FolderOptions extends TogetherOptions {
  name: string
  user: string
  links: Links
  skip: readonly string[]
}

// learn.microsoft.com/graph/api/resources/mailfolder: what is there is no mail of the owner's, or not sent yet.
const NEVER_READ = ['outbox', 'conversationhistory', 'syncissues', 'recoverableitemsroot']
// By the names that labels have at Gmail.
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
const FOLDERS_A_PAGE = 200
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
const ofFolder = z.object({ parentFolderId: z.string() })
const withId = z.object({ id: z.string().min(1) })

/** Whether a label that is left out names a well-known folder, and no category. */
export function isFolderName(label: string): boolean {
  return SKIPPED.has(label.toUpperCase())
}

/** The folders as they were last seen; `undefined` where that was lost. */
export async function knownFolders(links: Links): Promise<Folders | undefined> {
  try {
    return foldersSchema.safeParse(JSON.parse((await links.folders()) ?? '')).data
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** Asks for all folders, and which of them are the well-known ones: one call, and another for each 200 folders more. What it finds is kept. */
export async function findFolders(options: FolderOptions, call: Call): Promise<Folders> {
  const { name, user } = options
  const doing = `finding the folders of ${name}`
  const urls = WELL_KNOWN.map(one => `${user}/mailFolders/${one}?$select=id`)
  const link = `${user}/mailFolders/delta?$select=displayName,parentFolderId`
  const prefer = pagesOf(FOLDERS_A_PAGE)
  const answers = await askTogether(options, [...urls, link], { doing, call, kind: 'batch', prefer })
  const wellKnown = new Map<string, string>()
  for (const [place, one] of WELL_KNOWN.entries()) {
    const answer = answers[place]
    const id = answer?.status === 200 ? withId.safeParse(answer.body).data?.id : undefined
    if (id !== undefined) wellKnown.set(one, id)
    // Not every mailbox has all of them; one that could not be asked for might be one to leave out.
    else if (!isAbsent(one, answer)) throw refusal(options, answer, doing)
  }
  const all = answers[WELL_KNOWN.length]
  if (all?.status !== 200) throw refusal(options, all, doing)
  return follow(options, { link, parents: {}, wellKnown: Object.fromEntries(wellKnown) }, all, call)
}

/**
 * The folders by the answer to their own link, and to what it links to, to the end; all anew where Graph has forgotten. What is found is
 * kept. An error says why they have to be asked for again.
 */
export async function foldersIn(
  options: FolderOptions,
  known: Folders,
  answer: Answer | undefined,
  call: Call,
): Promise<Folders | MailError> {
  if (answer?.status === 200) return follow(options, known, answer, call)
  const doing = `looking for folders of ${options.name}`
  const error = refusal({ ...options, notFound: 'expired' }, answer, doing)
  // A link that is refused for what it asks was given to somebody else, or is damaged.
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
  const doing = `looking for folders of ${options.name}`
  const headers = { prefer: pagesOf(FOLDERS_A_PAGE) }
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

// The folders with the changes of a page, and its link.
function withChanges(folders: Folders, page: ReturnType<typeof readDeltaPage>): Folders {
  const parents = new Map(Object.entries(folders.parents))
  for (const item of page.items) {
    const { success, data } = folderItem.safeParse(item)
    if (!success) continue
    if (data['@removed'] != null) parents.delete(data.id)
    // A change may tell only what changed.
    else parents.set(data.id, data.parentFolderId ?? parents.get(data.id) ?? '')
  }
  return { ...folders, parents: Object.fromEntries(parents), link: page.later ?? page.next ?? folders.link }
}

/** The folders, confirmed and kept so where one of these items, which are of a folder, names it. */
export async function confirmedBy(
  { links }: FolderOptions,
  folders: Folders,
  pages: readonly { folder: string; items: readonly unknown[] }[],
): Promise<Folders> {
  const isNamed = ({ folder, items }: (typeof pages)[number]) =>
    items.some(item => ofFolder.safeParse(item).data?.parentFolderId === folder)
  if (folders.confirmed || !pages.some(isNamed)) return folders
  const confirmed = { ...folders, confirmed: true }
  await links.keepFolders(JSON.stringify(confirmed))
  return confirmed
}

/** The folders to be read, the inbox first: all but those that are left out and what is in them. */
export function readable(folders: Folders, skip: readonly string[]): string[] {
  const { parents, wellKnown } = folders
  const first = FIRST.flatMap(name => ownOf(wellKnown, name) ?? [])
  const all = Object.keys(parents)
    .filter(folder => leftOutAt(folders, folder, skip) === undefined)
    .sort()
  return [...first.filter(folder => all.includes(folder)), ...all.filter(folder => !first.includes(folder))]
}

/**
 * Why mail in a folder is left out; `undefined` where it is not, or nobody said which folder it is. What is in a folder that is not known yet is
 * left out until that is found and listed: it may be gone again before anybody looks.
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

// What is not read in any case may be forbidden as well.
function isAbsent(name: string, answer: Answer | undefined): boolean {
  return [400, 404, ...(NEVER_READ.includes(name) ? [403] : [])].includes(answer?.status ?? 0)
}

function refusal(judging: Judging, answer: Answer | undefined, doing: string): MailError {
  if (answer) return errorOf(answer, doing, judging)
  return new MailError('unavailable', `${doing}: the answer does not mention one of them`)
}
