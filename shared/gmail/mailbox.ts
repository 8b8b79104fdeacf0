import { z } from 'zod'
import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Call, Changes, Cursor, Fetched, Mailbox, Page } from '../mailbox.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'
import { type ClientOptions, gmailClient } from './client.ts'
import { readCursor, readPage, writeCursor } from './cursor.ts'
import { errorOf } from './errors.ts'
import { fetchMessages } from './fetch.ts'
import { createFlights } from './flights.ts'
import { filterBy, labelFinder, labelFindings } from './labels.ts'
import { firstListing, listFirst, listHistory } from './listing.ts'
import { QUOTA_COSTS, type QuotaTable } from './quota.ts'
import { type Notifying, stopWatching, watchMailbox } from './watch.ts'

/** How to reach a Gmail mailbox, and how its mail is read. */
export interface GmailOptions {
  /** Whose mailbox it is meant to be; names it in messages. */
  address: string
  account: ClientOptions['account']
  /** Google's, or a simulator's; with a slash at its end. */
  rootUrl?: string
  tokenUrl?: string
  /** The partial answer to ask for; `id` and `threadId` are asked for in any case. */
  fields: string
  initialSync: InitialSync
  /** How many requests go in one batch at most; 100, all that Google takes, where it is absent. */
  batchSize?: number
  quota: QuotaTable
  /** How many ids a page of a first sync (bulk), or history records a page of changes (live) holds; 500 at most. */
  pageSize: { live: number; bulk: number }
  /** Which mail is read at all, by label ids or names; without spam, trash and drafts where nothing is said. */
  filter?: LabelFilter
  /** A search in Gmail's words that bounds what is listed first and after a cursor expired; mail that comes in is not searched. */
  query?: string
  /** Where Gmail is to notify of changes; without it the mailbox cannot be watched. */
  notify?: Notifying
  now?: () => number
  /** How long to wait for one answer; 30 s by default. */
  timeoutMs?: number
}

const ROOT_URL = 'https://gmail.googleapis.com/'
const TOKEN_URL = 'https://oauth2.googleapis.com/token'

const profile = z.object({ emailAddress: z.string().min(1), historyId: z.coerce.string().regex(/^\d{1,20}$/) })

const WITHOUT_JUNK: LabelFilter = { labels: [], skip: ['SPAM', 'TRASH', 'DRAFT'] }

// developers.google.com/gmail/api/guides/batch
const MOST_A_BATCH = 100

// Mail is not always received in the order of its dates.
const OVERLAP_MS = 24 * 3_600_000

// developers.google.com/gmail/api/guides/push
const SILENT_AFTER_PUSH_MS = 1000

/**
 * A mailbox at Gmail. Each method is one HTTP request, metered in quota units when it is sent and never retried, with three exceptions: a
 * fetch larger than a batch, or than the quota lets through at once, is several batches; what a batch answer leaves in doubt is asked for
 * again message by message; and labels that are told by name are looked up once an hour. A cursor says `pinned:H` before the first listing and `history:H` after it.
 */
export function gmailMailbox(options: GmailOptions): Mailbox {
  const { address, account, rootUrl = ROOT_URL, tokenUrl = TOKEN_URL, fields, pageSize, now = Date.now } = options
  const client = gmailClient({ account, rootUrl, tokenUrl, timeoutMs: options.timeoutMs, now })
  const costs = QUOTA_COSTS[options.quota]
  const name = `gmail:${address}`
  const filter = options.filter ?? WITHOUT_JUNK
  const { initialSync, query = '' } = options
  const labelsOf = labelFinder({ name, client, costs, filter, now })
  const listing = { name, client, costs, pageSize, labelsOf, initialSync, query, now }
  const batchSize = Math.min(options.batchSize ?? MOST_A_BATCH, MOST_A_BATCH)
  const fetching = { name, client, costs, fields, batchSize, now, flights: createFlights() }
  const watching = { name, client, costs, now }
  const asking = `getProfile of ${name}`

  return {
    silentAfterPushMs: SILENT_AFTER_PUSH_MS,

    async open(call, knownUntil) {
      const answer = await askProfile(call)
      const { success, data } = profile.safeParse(answer.body)
      if (!success) throw new MailError('unparsable', `${asking}: Google's answer holds no address and history id`)
      const after = knownUntil === undefined ? {} : { after: Math.max(0, Math.floor((knownUntil - OVERLAP_MS) / 1000)) }
      return {
        address: data.emailAddress,
        cursor: writeCursor({ at: 'pinned', historyId: BigInt(data.historyId), ...after }),
      }
    },

    async changes(since, page, call) {
      const changes = await list(since, page, call)
      if (changes.reset) return changes
      const filters = labelFindings(await labelsOf(call), filter)
      const { at, after } = readCursor(since)
      const isSearched = query !== '' && page === undefined && at === 'pinned' && after === undefined
      const isFound = changes.ids.length > 0
      // A page without a message is not the last one always.
      if (isSearched && (isFound || changes.next === undefined))
        filters.push({ part: 'query', name: query, state: isFound ? 'found' : 'missing' })
      return filters.length > 0 ? { ...changes, filters } : changes
    },

    async fetch(wanted, call) {
      const taken = filterBy(await labelsOf(call))
      const answers = await fetchMessages(fetching, wanted, call)
      return new Map([...answers].map(([id, answer]) => [id, filtered(answer, taken)]))
    },

    probe: async call => void (await askProfile(call)),
    watch: call => watchMailbox(watching, options.notify, call),
    stop: call => stopWatching(watching, call),
  }

  async function list(since: Cursor, page: Page | undefined, call: Call): Promise<Changes> {
    const place = readCursor(since)
    const at = page === undefined ? undefined : readPage(page)
    if (place.at === 'history' && (at === undefined || at.list === 'history')) {
      const changes = await listHistory(listing, place, at?.token, call)
      const { cursor } = changes
      return cursor === undefined ? changes : { ...changes, upTo: `${readCursor(cursor).historyId}` }
    }
    if (place.at === 'history' || at?.list === 'history') {
      throw new MailError('unparsable', `the page to list of ${name} belongs to another cursor`)
    }
    return listFirst(listing, place, at ?? firstListing(listing, place.after), call)
  }

  async function askProfile(call: Call): Promise<Answer> {
    const answer = await client.ask({ doing: asking, call, kind: 'profile', units: costs.profile }, (api, inner) =>
      api.users.getProfile({ userId: 'me', fields: 'emailAddress,historyId' }, inner),
    )
    if (answer.status !== 200) throw errorOf(answer, asking, { now })
    return answer
  }
}

function filtered(answer: Fetched, filter: LabelFilter): Fetched {
  const reason = answer.outcome === 'ok' ? leftOut(answer.message.labels, filter) : undefined
  return reason === undefined ? answer : { outcome: 'filtered', reason }
}
