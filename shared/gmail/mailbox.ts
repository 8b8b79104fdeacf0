import { z } from 'zod'
import type { HtmlToText } from '../body/html-text.ts'
import type { TextReading } from '../body/read-body.ts'
import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { decodeRare } from '../http/charset.ts'
import type { Http } from '../http/exchange.ts'
import { MACHINE, type Machine } from '../machine.ts'
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

/** Options for a Gmail mailbox: how to reach it, and how to read its mail. */
export interface GmailOptions {
  /** The expected owner of the mailbox; names it in messages. */
  address: string
  account: ClientOptions['account']
  /** Google's address or a simulator's, with a trailing slash. */
  rootUrl?: string
  tokenUrl?: string
  /** The partial answer to request; `id` and `threadId` are always added. */
  fields: string
  initialSync: InitialSync
  /** The maximum number of requests in one batch; 100 by default, Google's limit. */
  batchSize?: number
  quota: QuotaTable
  /**
   * The number of ids on a page of a first sync (bulk), or of history records on a page of changes (live); at
   * most 500.
   */
  pageSize: { live: number; bulk: number }
  /** The mail to read, by label ids or names; without spam, trash and drafts by default. */
  filter?: LabelFilter
  /**
   * A Gmail search that limits the first listing and the listing after an expired cursor. Incoming mail is
   * not searched.
   */
  query?: string
  /** The destination of Gmail's notifications; without it the mailbox cannot be watched. */
  notify?: Notifying
  /** Converts HTML; present where whole texts are read. Without it only previews are. */
  htmlToText?: HtmlToText | undefined
  /** Reads the events of calendars that come with whole texts. */
  readInvites?: TextReading['readInvites']
  now?: () => number
  /** The timeout for one answer; 30 s by default. */
  timeoutMs?: number
  /** The largest answer that is read; 25 MB by default. */
  mostBytes?: number
  http: Http
  machine?: Machine
}

const ROOT_URL = 'https://gmail.googleapis.com/'
const TOKEN_URL = 'https://oauth2.googleapis.com/token'

const profile = z.object({ emailAddress: z.string().min(1), historyId: z.coerce.string().regex(/^\d{1,20}$/) })

const WITHOUT_JUNK: LabelFilter = { labels: [], skip: ['SPAM', 'TRASH', 'DRAFT'] }

// developers.google.com/gmail/api/guides/batch
const MAX_PER_BATCH = 100

// Mail is not always received in the order of its dates.
const OVERLAP_MS = 24 * 3_600_000

// developers.google.com/gmail/api/guides/push
const SILENT_AFTER_PUSH_MS = 1000

/**
 * Creates a Gmail mailbox. Each method sends one HTTP request, is metered in quota units when sent, and never
 * retries. There are four exceptions: a fetch larger than a batch, or than the quota or the size of an answer
 * allows at once, is sent as several batches; text parts that came without content are requested; ambiguous parts of a batch answer are requested again message by message; and label
 * names are looked up once an hour. A cursor says `pinned:H` before the first listing and `history:H` after
 * it.
 */
export function gmailMailbox(options: GmailOptions): Mailbox {
  const { address, account, rootUrl = ROOT_URL, tokenUrl = TOKEN_URL, fields, pageSize, machine = MACHINE } = options
  const { now = machine.date, timeoutMs, mostBytes, http, htmlToText, readInvites } = options
  const client = gmailClient({ account, rootUrl, tokenUrl, timeoutMs, mostBytes, now, http, machine })
  const costs = QUOTA_COSTS[options.quota]
  const name = `gmail:${address}`
  const filter = options.filter ?? WITHOUT_JUNK
  const { initialSync, query = '' } = options
  const labelsOf = labelFinder({ name, client, costs, filter, now })
  const listing = { name, client, costs, pageSize, labelsOf, initialSync, query, now }
  const batchSize = Math.min(options.batchSize ?? MAX_PER_BATCH, MAX_PER_BATCH)
  const texts = htmlToText && { htmlToText, decodeRare, readInvites }
  const fetching = { name, client, costs, fields, batchSize, now, flights: createFlights(), texts }
  const watching = { name, client, costs, now }
  const asking = `getProfile of ${name}`

  return {
    silentAfterPushMs: SILENT_AFTER_PUSH_MS,

    async open(call, knownUntil) {
      const answer = await askProfile(call)
      const { success, data } = profile.safeParse(answer.body)
      if (!success) throw new MailError('unparsable', `${asking}: Google's answer contains no address and history id`)
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
      // A page without messages is not always the last one.
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
