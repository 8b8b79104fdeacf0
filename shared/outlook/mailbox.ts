import { z } from 'zod'
import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
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

/** How to reach an Outlook mailbox, and how its mail is read. */
export interface OutlookOptions {
  /** Whose mailbox it is meant to be; names it in messages. */
  address: string
  tokens: AccessTokens
  /** The tokens are an application's, which may read mailboxes by their address; else they are the owner's. */
  application?: boolean
  links: Links
  /** Where its subscription is remembered. */
  subscription: SubscriptionMemory
  /** Graph's, or a simulator's; with its version and without a slash at its end. */
  rootUrl?: string
  initialSync: InitialSync
  /** How many messages a page of a folder holds. */
  pageSize: number
  /** How many folders are asked at a time; Graph allows 4. */
  parallel: number
  /** How many requests go in one batch; Graph takes 20, and 1 means no batches. */
  batchSize: number
  /** Which mail is read at all: `SPAM`, `TRASH` and `DRAFT` name folders, other labels categories; without those three where nothing is said. */
  filter?: LabelFilter
  /** Where Graph is to notify of changes, asked for when the mailbox is watched; without it that cannot be. */
  notify?: () => Notifying | undefined
  now?: () => number
  /** How long to wait for one answer; 30 s by default. */
  timeoutMs?: number
}

const ROOT_URL = 'https://graph.microsoft.com/v1.0'
const WITHOUT_JUNK: LabelFilter = { labels: [], skip: ['SPAM', 'TRASH', 'DRAFT'] }

const owner = z.object({ mail: z.string().nullish(), userPrincipalName: z.string().nullish() })

/**
 * A mailbox at Outlook, by Microsoft Graph. Listing asks several folders at once, each page with one HTTP request or all news with one; all
 * are metered when they are sent and never retried. A cursor names how far each folder was listed; what it names is kept in `links`.
 */
export function outlookMailbox(options: OutlookOptions): Mailbox {
  const { address, tokens, rootUrl = ROOT_URL, timeoutMs, now = Date.now } = options
  const links = ownLinks(options.links, new URL(rootUrl).origin)
  const { application = false, filter = WITHOUT_JUNK } = options
  const name = `outlook:${address}`
  const user = application ? `/users/${encodeURIComponent(address)}` : '/me'
  const client = graphClient({ tokens, rootUrl, timeoutMs, now })
  const { batchSize, pageSize, parallel, initialSync } = options
  const { skip } = filter
  const common = { client, name, user, batchSize, now }
  const withFindings = categoryFinder(skip)
  const watching = { ...common, memory: options.subscription }
  const listing = { ...common, links, skip, filter, initialSync, pageSize, parallel }

  return {
    async open(call, knownUntil) {
      const cursor = writeCursor({ at: 'pinned', after: knownUntil })
      const doing = `asking whose mailbox ${name} is`
      // An application may read the mail of a user, and nothing else about them.
      const url = application ? `${user}/mailFolders/inbox?$select=id` : '/me?$select=mail,userPrincipalName'
      const request = { url, headers: { prefer: IMMUTABLE_IDS } }
      const answer = await client.ask({ doing, call, kind: 'profile', units: 1 }, request)
      if (answer.status !== 200) throw errorOf(answer, doing, { now })
      if (application) return { address, cursor }
      const { mail, userPrincipalName } = readBody(owner, answer, doing)
      const found = mail || userPrincipalName
      if (!found) throw new MailError('unparsable', `${doing}: Microsoft's answer holds no address`)
      const also = userPrincipalName && userPrincipalName !== found ? [userPrincipalName] : []
      return { address: found, cursor, ...(also.length > 0 ? { also } : {}) }
    },

    async probe(call) {
      const doing = `asking whether ${name} can be read`
      const request = { url: `${user}/messages?$top=1&$select=id`, headers: { prefer: IMMUTABLE_IDS } }
      const answer = await client.ask({ doing, call, kind: 'list', units: 1 }, request)
      if (answer.status !== 200) throw errorOf(answer, doing, { now })
    },

    changes: async (since, page, call) => withFindings(await listChanges(listing, since, page, call)),

    async fetch(wanted, call) {
      // Who lists finds out which folders there are, in another process maybe.
      const folders = wanted.length > 0 ? await knownFolders(links) : undefined
      const leftOutIn = (folder: string) => folders && leftOutAt(folders, folder, skip)
      return fetchMessages({ ...common, filter, leftOutIn }, wanted, call)
    },

    watch: async call => watchMailbox(watching, options.notify?.(), call),
    stop: call => stopWatching(watching, call),
  }
}
