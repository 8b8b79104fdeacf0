import { asMailError, MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Sending } from '../http/sender.ts'
import type { Call } from '../mailbox.ts'
import { errorOf, isNotFound } from './errors.ts'
import { type DeltaPage, readDeltaPage } from './items.ts'
import { lastingOf, type Mark, type NamedMark } from './marks.ts'
import { askedFields } from './message.ts'
import { pagesOf } from './prefer.ts'
import { nextRound } from './round.ts'
import { askSparingly, askTogether, isTooLarge, type TogetherOptions } from './together.ts'

/** Options for asking folders for their changes. */
export interface DeltaOptions extends TogetherOptions {
  name: string
  user: string
  /** The number of messages on a page. */
  pageSize: number
}

/**
 * The result of asking a folder. `page`: its next page, and the mark it is listed up to. `restart`: Graph has
 * forgotten its mark, so it must be listed from the beginning. `lost`: the folder no longer exists.
 * `refused`: it must be asked again; `answered` if Graph itself refused it.
 */
export type Step = { from: NamedMark } & (
  | { step: 'page'; items: readonly unknown[]; to: Mark }
  | { step: 'restart'; to: Mark }
  | { step: 'lost'; to: Mark }
  | { step: 'refused'; error: MailError; answered: boolean }
)

// A link is shorter, and must not be cut.
const LONGEST_SKIMMED = 1 << 16
const DAY_MS = 24 * 3_600_000
const RESTARTS_AT_ONCE = 3
const MAX_RESTARTS = 8
const FIRST_WAIT_MS = 1000
// With a filter, Graph lists at most this many messages and omits the rest silently
// (learn.microsoft.com/graph/api/message-delta).
const MAX_FILTERED = 5000

/**
 * Asks folders for a page each, in as few requests as possible, and before them for the link `first`. Throws
 * errors that concern all of them.
 */
export async function askFolders(
  options: DeltaOptions,
  { first, marks, scope }: { first: string | undefined; marks: readonly NamedMark[]; scope: number | undefined },
  call: Call,
): Promise<{ first: Answer | undefined; steps: Step[] }> {
  const doing = `the changes of ${options.name}`
  const before = first === undefined ? [] : [first]
  const urls = [...before, ...marks.map(({ mark }) => mark.link ?? startOf(options, mark, scope))]
  const ask = (wanted: readonly string[], size: number) =>
    askTogether(options, wanted, { doing, call, kind: 'delta', prefer: pagesOf(size) })
  let answers = await ask(urls, options.pageSize)
  // Texts make pages large; a page of one message is the smallest, and is read without its text if need be.
  for (let size = options.pageSize; size > 1 && answers.some(isTooLarge); ) {
    size = Math.ceil(size / 2)
    const again = urls.filter((_, place) => isTooLarge(answers[place]))
    const fewer = await ask(again, size)
    answers = answers.map((answer, place) => (isTooLarge(answer) ? fewer[again.indexOf(urls[place] ?? '')] : answer))
  }
  for (const [place, url] of urls.entries()) {
    if (isTooLarge(answers[place])) answers[place] = await askWithoutText(options, url, { doing, call })
  }
  return {
    first: first === undefined ? undefined : answers[0],
    steps: marks.map((from, place) => stepOf(options, { from, scope }, answers[before.length + place], doing)),
  }
}

async function askWithoutText(options: DeltaOptions, url: string, { doing, call }: Pick<Sending, 'doing' | 'call'>) {
  const sending = { doing, call, kind: 'delta', prefer: pagesOf(1) } as const
  return askSparingly(options, { url, longestString: LONGEST_SKIMMED }, sending)
}

interface AskedFolder {
  from: NamedMark
  scope: number | undefined
}

function stepOf(options: DeltaOptions, { from, scope }: AskedFolder, answer: Answer | undefined, doing: string): Step {
  const { now } = options
  if (!answer) {
    const error = new MailError('unavailable', `${doing}: a folder was not answered`)
    return { from, step: 'refused', error, answered: false }
  }
  if (answer.status === 200) {
    try {
      return pageIn(options, { from, scope }, readDeltaPage(answer, doing), doing)
    } catch (thrown) {
      return { from, step: 'refused', error: asMailError(thrown), answered: true }
    }
  }
  // The folder is skipped for now; the next request checks whether it still exists.
  if (isNotFound(answer)) return { from, step: 'lost', to: { folder: from.mark.folder, at: now(), end: true } }
  const error = errorOf(answer, doing, { now })
  return error.kind === 'expired' ? restartStep(from, now(), doing) : { from, step: 'refused', error, answered: true }
}

function pageIn(
  { now }: DeltaOptions,
  { from, scope }: AskedFolder,
  { items, next, later }: DeltaPage,
  doing: string,
): Step {
  const at = now()
  const { mark } = from
  const { folder, restarts, end } = mark
  const link = next ?? later
  if (link === undefined)
    throw new MailError('unparsable', `${doing}: the page has neither a next link nor a delta link`)
  const lasting = lastingOf(mark)
  const page = (to: Mark): Step => ({ from, step: 'page', items, to })
  if (next !== undefined) {
    const round = nextRound(mark.round, { link, items: items.length }, doing)
    return page({ folder, link, at, round, ...(restarts ? { restarts } : {}), ...lasting })
  }
  // Nothing has changed: the known mark stays valid until it gets old.
  if (items.length === 0 && end && at - mark.at < DAY_MS) return page(mark)
  const isCut =
    scope !== undefined && !end && !mark.unfiltered && (mark.round?.items ?? 0) + items.length >= MAX_FILTERED
  return page(isCut ? { folder, at, ...lasting, unfiltered: true } : { folder, link, at, end: true, ...lasting })
}

function restartStep(from: NamedMark, now: number, doing: string): Step {
  const { folder, restarts = 0, at } = from.mark
  const again = `${doing}: Microsoft repeatedly forgets how far a folder is listed`
  if (restarts >= MAX_RESTARTS)
    return { from, step: 'refused', error: new MailError('unavailable', again), answered: true }
  const retryAfterMs = at + pauseBefore(restarts) - now
  if (retryAfterMs > 0) {
    return { from, step: 'refused', error: new MailError('throttled', again, { retryAfterMs }), answered: true }
  }
  return {
    from,
    step: 'restart',
    to: { folder, at: now, restarts: restarts + 1, ...lastingOf(from.mark) },
  }
}

// Something is happening to the mailbox: a few links may expire in succession. Later restarts need not hurry.
function pauseBefore(restarts: number): number {
  return restarts < RESTARTS_AT_ONCE ? 0 : FIRST_WAIT_MS * 2 ** (restarts - RESTARTS_AT_ONCE)
}

// learn.microsoft.com/graph/api/message-delta: no other filter is allowed.
function startOf(
  { user, htmlToText, headers = false }: DeltaOptions,
  { folder, unfiltered }: Mark,
  scope: number | undefined,
): string {
  const filter =
    scope === undefined || unfiltered ? '' : `&$filter=${encodeURIComponent(`receivedDateTime ge ${dateOf(scope)}`)}`
  const fields = askedFields({ texts: htmlToText !== undefined, headers })
  return `${user}/mailFolders/${encodeURIComponent(folder)}/messages/delta?$select=${fields}${filter}`
}

/** Formats a moment (ms since 1970) for Graph's filters, to the second. */
export function dateOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
