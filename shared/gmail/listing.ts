import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js'
import { z } from 'zod'
import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
import type { Call, Changes, Listed } from '../mailbox.ts'
import type { GmailClient } from './client.ts'
import { type GmailListing, type HistoryPoint, writeCursor, writePage } from './cursor.ts'
import { errorOf, isSearchRefused } from './errors.ts'
import { historyRecord, RECORD_FIELDS, summarizeHistory } from './history.ts'
import { filterBy, type Labels } from './labels.ts'
import type { QuotaCosts } from './quota.ts'
import { searchFor } from './search.ts'

/** Options for listing. `pageSize` is the number of ids (live: history records) a page holds, at most 500. */
export interface ListingOptions {
  name: string
  client: GmailClient
  costs: QuotaCosts
  pageSize: { live: number; bulk: number }
  labelsOf: (call: Call) => Promise<Labels>
  initialSync: InitialSync
  /** A Gmail search that limits the first listing; empty for all mail. */
  query: string
  now: () => number
}

type FirstSync = Exclude<GmailListing, { list: 'history' }>

// developers.google.com/gmail/api/reference/rest/v1/users.messages/list and users.history/list
const MAX_PER_PAGE = 500
const NO_SEARCH =
  'the scope gmail.metadata allows no search; connect the mailbox with gmail.readonly, or leave ' +
  'GMAIL_QUERY empty, SKIP_LABELS without DRAFT, and INITIAL_SYNC not in days'
const DAY_SECONDS = 86_400
const LIST_FIELDS = 'messages(id,threadId),nextPageToken'
const HISTORY_FIELDS = `historyId,nextPageToken,history(${RECORD_FIELDS})`

/**
 * Returns the first listing of a first sync. With `after` (seconds since 1970) it is a resync: it lists mail
 * received after that moment, or all mail if everything is wanted.
 */
export function firstListing({ initialSync, query, now }: ListingOptions, after?: number): FirstSync {
  if (after !== undefined && !(initialSync.kind === 'all' && query === '')) return { list: 'after', seconds: after }
  if (initialSync.kind === 'all') return { list: 'all' }
  if (initialSync.kind === 'newest') return { list: 'newest', left: initialSync.count }
  return { list: 'after', seconds: Math.floor(now() / 1000) - initialSync.days * DAY_SECONDS }
}

/**
 * Lists one page of a first sync or a resync with messages.list, and requests no more ids than are wanted. A
 * resync also reports which messages exist. A complete listing reports them with its pages; otherwise a sweep
 * follows, filtered by labels only. The last page leads to the history since `since`, which was pinned
 * before.
 */
export async function listFirst(
  options: ListingOptions,
  since: HistoryPoint,
  listing: FirstSync,
  call: Call,
): Promise<Changes> {
  const { client, costs, pageSize } = options
  const wanted = listing.list === 'newest' ? listing.left : MAX_PER_PAGE
  const doing = `messages.list of ${options.name}`
  const sending = { doing, call, kind: 'list', units: costs.messageList } as const
  const search = searchFor(await options.labelsOf(call), termsOf(listing, options.query))
  const answer = await client.ask(sending, (api, inner) =>
    api.users.messages.list(
      {
        userId: 'me',
        maxResults: Math.min(wanted, pageSize.bulk, MAX_PER_PAGE),
        fields: LIST_FIELDS,
        ...search,
        ...(listing.token === undefined ? {} : { pageToken: listing.token }),
      },
      inner,
    ),
  )
  if (search.q !== undefined && isSearchRefused(answer)) throw new MailError('misconfigured', `${doing}: ${NO_SEARCH}`)
  if (answer.status !== 200) throw errorOf(answer, doing, { now: options.now })
  const page = read(messagePage, answer.body, doing)
  const ids = eachOnce(page.messages.map(listed)).slice(0, wanted)
  return {
    ...listedIds(ids, listing, since),
    gone: [],
    labels: [],
    ...endOf(listing, since, { ids, token: page.nextPageToken }),
  }
}

function termsOf(listing: FirstSync, query: string): string[] {
  if (listing.list === 'sweep') return []
  return [...(query === '' ? [] : [query]), ...(listing.list === 'after' ? [`after:${listing.seconds}`] : [])]
}

function listedIds(ids: readonly Listed[], { list }: FirstSync, { after }: HistoryPoint) {
  if (list === 'sweep') return { ids: [], present: ids }
  if (after === undefined) return { ids }
  return { ids, overlaps: true, ...(list === 'all' ? { present: ids } : {}) }
}

function endOf(
  listing: FirstSync,
  { historyId, after }: HistoryPoint,
  page: { ids: readonly Listed[]; token: string },
) {
  const rest = listing.list === 'newest' ? { ...listing, left: listing.left - page.ids.length } : listing
  const more = page.token !== '' && !(rest.list === 'newest' && rest.left === 0)
  if (more) return { next: writePage(rest, page.token) }
  if (after !== undefined && listing.list === 'after') return { next: writePage({ list: 'sweep' }) }
  return { cursor: writeCursor({ at: 'history', historyId }) }
}

/**
 * Lists one page of changes since a history id, exclusive. Reports `reset` if the id is too old for Google.
 */
export async function listHistory(
  options: ListingOptions,
  since: HistoryPoint,
  token: string | undefined,
  call: Call,
): Promise<Changes> {
  const { client, costs, pageSize } = options
  const doing = `history.list of ${options.name}`
  const sending = { doing, call, kind: 'history', units: costs.historyList } as const
  const answer = await client.ask(sending, (api, inner) => {
    const params: gmail_v1.Params$Resource$Users$History$List = {
      userId: 'me',
      startHistoryId: `${since.historyId}`,
      historyTypes: ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'],
      maxResults: Math.min(pageSize.live, MAX_PER_PAGE),
      fields: HISTORY_FIELDS,
      ...(token === undefined ? {} : { pageToken: token }),
    }
    return api.users.history.list(params, inner)
  })
  if (answer.status !== 200) {
    const error = errorOf(answer, doing, { now: options.now, notFound: 'expired' })
    if (error.kind === 'expired') return { ids: [], gone: [], labels: [], reset: true }
    throw error
  }
  const page = read(historyPage, answer.body, doing)
  const end = page.nextPageToken
    ? { next: writePage({ list: 'history' }, page.nextPageToken) }
    : { cursor: writeCursor({ at: 'history', historyId: latest(since.historyId, page.historyId) }) }
  return { ...summarizeHistory(page.history, filterBy(await options.labelsOf(call))), ...end }
}

const named = z.object({ id: z.string().min(1), threadId: z.string().optional() })
const messagePage = z.object({ messages: z.array(named).default([]), nextPageToken: z.string().default('') })
const historyPage = z.object({
  history: z.array(historyRecord).default([]),
  historyId: z
    .union([z.string().regex(/^\d{1,20}$/), z.number().int().min(0)])
    .transform(id => BigInt(id))
    .optional(),
  nextPageToken: z.string().default(''),
})

function listed({ id, threadId }: z.infer<typeof named>): Listed {
  return { id, thread: threadId || id }
}

function eachOnce(items: readonly Listed[]): Listed[] {
  return [...new Map(items.map(item => [item.id, item])).values()]
}

function latest(known: bigint, answered: bigint | undefined): bigint {
  return answered !== undefined && answered > known ? answered : known
}

function read<T>(schema: z.ZodType<T>, body: unknown, doing: string): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const where = result.error.issues[0]?.path.join('.') || 'the answer'
  throw new MailError('unparsable', `${doing}: Google's answer cannot be read (${where})`)
}
