import { z } from 'zod'
import type { HtmlToText } from '../body/html-text.ts'
import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
import type { Http } from '../http/exchange.ts'
import { MACHINE, type Machine } from '../machine.ts'
import type { Mailbox } from '../mailbox.ts'
import type { LabelFilter } from '../provider/filter.ts'
import type { Links } from '../provider/links.ts'
import type { SubscriptionMemory } from '../provider/subscription.ts'
import type { AccessTokens } from '../provider/tokens.ts'
import { graphClient } from './client.ts'
import { writeCursor } from './cursor.ts'
import { errorOf } from './errors.ts'
import { fetchMessages } from './fetch.ts'
import { categoryFinder } from './findings.ts'
import { knownFolders, leftOutAt } from './folders.ts'
import { listChanges } from './listing.ts'
import { ownLinks } from './own-links.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { readBody } from './read.ts'
import { type Notifying, stopWatching, watchMailbox } from './subscription.ts'

/** Options for an Outlook mailbox: how to reach it, and how to read its mail. */
export interface OutlookOptions {
  /** The expected owner of the mailbox; names it in messages. */
  address: string
  tokens: AccessTokens
  /**
   * Whether the tokens belong to an application, which reads mailboxes by address, rather than to the owner.
   */
  application?: boolean
  links: Links
  /** Storage for the mailbox's subscription. */
  subscription: SubscriptionMemory
  /** Graph's address or a simulator's, with its version and without a trailing slash. */
  rootUrl?: string
  initialSync: InitialSync
  /** The number of messages on a page of a folder. */
  pageSize: number
  /** The number of folders asked at a time; Graph allows 4. */
  parallel: number
  /** The number of requests in one batch; Graph allows 20, and 1 means no batches. */
  batchSize: number
  /**
   * The mail to read. `SPAM`, `TRASH` and `DRAFT` name folders; other labels are categories. Without those
   * three folders by default.
   */
  filter?: LabelFilter
  /**
   * Returns the destination of Graph's notifications when the mailbox is watched; without it the mailbox
   * cannot be watched.
   */
  notify?: () => Notifying | undefined
  /** Whether the headers of messages are asked for, which tell their class; true by default. */
  headers?: boolean
  /** Converts HTML; present where whole texts are read. Without it only previews are. */
  htmlToText?: HtmlToText | undefined
  now?: () => number
  /** The timeout for one answer; 30 s by default. */
  timeoutMs?: number
  /** The largest answer that is read; 25 MB by default where texts are read, else 64 MiB. */
  mostBytes?: number
  http: Http
  machine?: Machine
}

const ROOT_URL = 'https://graph.microsoft.com/v1.0'
// Larger answers would take much memory at once; the adapter asks for less.
const MOST_BYTES_WITH_TEXTS = 25_000_000
const WITHOUT_JUNK: LabelFilter = { labels: [], skip: ['SPAM', 'TRASH', 'DRAFT'] }

const owner = z.object({ mail: z.string().nullish(), userPrincipalName: z.string().nullish() })

/**
 * Creates an Outlook mailbox on Microsoft Graph. Listing asks several folders at once: one HTTP request a
 * page, or one for all news. All requests are metered when sent and never retried. A cursor names how far
 * each folder is listed; the named marks are stored in `links`.
 */
export function outlookMailbox(options: OutlookOptions): Mailbox {
  const { address, tokens, rootUrl = ROOT_URL, timeoutMs, http, machine = MACHINE } = options
  const { now = machine.date } = options
  const links = ownLinks(options.links, new URL(rootUrl).origin)
  const { application = false, filter = WITHOUT_JUNK } = options
  const name = `outlook:${address}`
  const user = application ? `/users/${encodeURIComponent(address)}` : '/me'
  const { htmlToText, headers = true } = options
  const { mostBytes = htmlToText && MOST_BYTES_WITH_TEXTS } = options
  const client = graphClient({ tokens, rootUrl, timeoutMs, mostBytes, now, http, machine })
  const { batchSize, pageSize, parallel, initialSync } = options
  const { skip } = filter
  const common = { client, name, user, batchSize, now, headers, htmlToText }
  const withFindings = categoryFinder(skip)
  const watching = { ...common, memory: options.subscription }
  const listing = { ...common, links, skip, filter, initialSync, pageSize, parallel }

  return {
    async open(call, knownUntil) {
      const cursor = writeCursor({ at: 'pinned', after: knownUntil })
      const doing = `asking for the owner of ${name}`
      // An application may read a user's mail, but nothing else about the user.
      const url = application ? `${user}/mailFolders/inbox?$select=id` : '/me?$select=mail,userPrincipalName'
      const request = { url, headers: { prefer: IMMUTABLE_IDS } }
      const answer = await client.ask({ doing, call, kind: 'profile', units: 1 }, request)
      if (answer.status !== 200) throw errorOf(answer, doing, { now })
      if (application) return { address, cursor }
      const { mail, userPrincipalName } = readBody(owner, answer, doing)
      const found = mail || userPrincipalName
      if (!found) throw new MailError('unparsable', `${doing}: Microsoft's answer contains no address`)
      const also = userPrincipalName && userPrincipalName !== found ? [userPrincipalName] : []
      return { address: found, cursor, ...(also.length > 0 ? { also } : {}) }
    },

    async probe(call) {
      const doing = `checking whether ${name} can be read`
      const request = { url: `${user}/messages?$top=1&$select=id`, headers: { prefer: IMMUTABLE_IDS } }
      const answer = await client.ask({ doing, call, kind: 'list', units: 1 }, request)
      if (answer.status !== 200) throw errorOf(answer, doing, { now })
    },

    changes: async (since, page, call) => withFindings(await listChanges(listing, since, page, call)),

    async fetch(wanted, call) {
      // The folders are found by listing, perhaps in another process.
      const folders = wanted.length > 0 ? await knownFolders(links) : undefined
      const leftOutIn = (folder: string) => folders && leftOutAt(folders, folder, skip)
      return fetchMessages({ ...common, filter, leftOutIn }, wanted, call)
    },

    watch: async call => watchMailbox(watching, options.notify?.(), call),
    stop: call => stopWatching(watching, call),
  }
}
