import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Call } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import type { FolderFault } from '../provider/links.ts'
import type { Step } from './delta.ts'
import { errorOf } from './errors.ts'
import type { FolderOptions, Folders } from './folders.ts'
import { lastingOf } from './marks.ts'
import { IMMUTABLE_IDS } from './prefer.ts'

/** Folders that cannot be listed for now, by id. The list of folders itself has the id ''. */
export type Faults = ReadonlyMap<string, FolderFault>

/** The answers: the steps of the folders, and the refusal of the list of folders, if it was asked. */
interface Answers {
  steps: readonly Step[]
  list: { refused: MailError | undefined } | undefined
}

export const FOLDER_LIST = ''

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
// A fault that passes within seconds needs no separate run.
const SHORT_PAUSES_MS = [SECOND_MS, 5 * SECOND_MS]
const LONGEST_PAUSE_MS = 60 * MINUTE_MS
const LONGEST_NAME = 100

/** Whether a folder must not be asked yet. */
export function waits(faults: Faults, folder: string, now: number): boolean {
  return (faults.get(folder)?.tryAt ?? 0) > now
}

/** Whether a listing ends without this folder, because it waits longer than a run. */
export function isSetAside(faults: Faults, folder: string, now: number): boolean {
  return waits(faults, folder, now) && (faults.get(folder)?.times ?? 0) > SHORT_PAUSES_MS.length
}

/** Returns the next retry (ms since 1970) of the folders with a short wait; `undefined` if there is none. */
export function nextTry(faults: Faults, folders: readonly string[], now: number): number | undefined {
  const short = folders.filter(folder => waits(faults, folder, now) && !isSetAside(faults, folder, now))
  return short.length === 0 ? undefined : Math.min(...short.map(folder => faults.get(folder)?.tryAt ?? now))
}

/**
 * Throws if all requests were refused, unless Graph serves other mail of the mailbox at this moment. In that
 * case the folders are at fault. The check costs a call.
 */
export async function throwUnlessFolders(options: FolderOptions, { steps, list }: Answers, call: Call): Promise<void> {
  const refusals = [
    ...(list?.refused ? [list.refused] : []),
    ...steps.flatMap(step => (step.step === 'refused' ? [step.error] : [])),
  ]
  if (refusals.length === 0 || refusals.length < steps.length + (list ? 1 : 0)) return
  const [first] = refusals
  const worst = refusals.find(({ kind }) => kind !== 'throttled' && kind !== 'unavailable') ?? first
  const isAnswered = steps.some(isOwnFault) || (list?.refused !== undefined && isLasting(list.refused))
  if (worst && !(isAnswered && (await isServed(options, call)))) throw worst
}

/**
 * Whether the refusal concerns this folder: a lasting error, answered by Graph, and not about the access
 * token.
 */
function isOwnFault(step: Step): step is Extract<Step, { step: 'refused' }> {
  return step.step === 'refused' && step.answered && isLasting(step.error)
}

function isLasting({ kind, blames }: MailError): boolean {
  return kind !== 'throttled' && blames !== 'token'
}

/**
 * Restarts all folders, once, if Graph refused every request as invalid. The links are damaged then, or
 * belong to somebody else.
 */
export function withoutLinks(steps: readonly Step[], now: number): Step[] {
  const isRefused = (step: Step) => isOwnFault(step) && step.error.kind !== 'unavailable'
  if (!steps.every(isRefused)) return [...steps]
  return steps.map((step): Step => {
    const { folder, link, restarts = 0 } = step.from.mark
    if (link === undefined || restarts > 0) return step
    const to = { folder, at: now, restarts: restarts + 1, ...lastingOf(step.from.mark) }
    return { from: step.from, step: 'restart', to }
  })
}

/**
 * Updates and stores the faults after these answers. A refused folder waits longer each time; an answered
 * folder recovers.
 */
export async function noteFaults(
  options: FolderOptions,
  { before, folders, answers }: { before: Faults; folders: Folders; answers: Answers },
  call: Call,
): Promise<Faults> {
  const { steps, list } = answers
  const after = new Map(before)
  for (const step of steps) {
    if (step.step !== 'refused') after.delete(step.from.mark.folder)
    else if (isOwnFault(step)) await refused(step.from.mark.folder, step.error)
  }
  if (list?.refused && isLasting(list.refused)) await refused(FOLDER_LIST, list.refused)
  else if (list && !list.refused) after.delete(FOLDER_LIST)
  for (const folder of before.keys()) {
    if (folder !== FOLDER_LIST && ownOf(folders.parents, folder) === undefined) after.delete(folder)
  }
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(id => before.get(id) !== after.get(id))
  if (changed.length > 0) await options.links.noteFaults(new Map(changed.map(id => [id, after.get(id)])))
  return after

  async function refused(folder: string, error: MailError): Promise<void> {
    const known = before.get(folder)
    const now = options.now()
    const times = (known?.times ?? 0) + 1
    const minutes = 2 ** (times - SHORT_PAUSES_MS.length - 1)
    const pauseMs = SHORT_PAUSES_MS[times - 1] ?? Math.min(LONGEST_PAUSE_MS, minutes * MINUTE_MS)
    const isNamed = times <= SHORT_PAUSES_MS.length || (known?.name ?? '') !== ''
    const name = isNamed ? (known?.name ?? '') : await nameOf(options, folders, folder, call)
    after.set(folder, { name, since: known?.since ?? now, times, tryAt: now + pauseMs, reason: error.message })
  }
}

async function isServed({ client, name, user }: FolderOptions, call: Call): Promise<boolean> {
  const doing = `checking whether ${name} can be read`
  const request = { url: `${user}/messages?$top=1&$select=id`, headers: { prefer: IMMUTABLE_IDS } }
  const answer = await client.ask({ doing, call, kind: 'list', units: 1 }, request).catch((thrown: unknown) => thrown)
  if (answer instanceof MailError) return false
  return (answer as { status: number }).status === 200
}

const named = z.object({ displayName: z.string().min(1) })

// Returns the folder's display name, for people, if Graph gives it.
async function nameOf(options: FolderOptions, folders: Folders, folder: string, call: Call): Promise<string> {
  if (folder === FOLDER_LIST) return 'the list of folders'
  const wellKnown = Object.entries(folders.wellKnown).find(([, id]) => id === folder)?.[0]
  if (wellKnown !== undefined) return wellKnown
  const { client, name, user } = options
  const doing = `getting the name of a folder of ${name}`
  const url = `${user}/mailFolders/${encodeURIComponent(folder)}?$select=displayName`
  try {
    const answer = await client.ask(
      { doing, call, kind: 'list', units: 1 },
      { url, headers: { prefer: IMMUTABLE_IDS } },
    )
    if (answer.status !== 200) throw errorOf(answer, doing, options)
    const text = named.safeParse(answer.body).data?.displayName ?? ''
    return [...text.replace(/\p{C}/gu, '')].slice(0, LONGEST_NAME).join('')
  } catch (thrown) {
    if (thrown instanceof MailError) return ''
    throw thrown
  }
}
