import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Call } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import type { Finding, LabelFilter } from '../provider/filter.ts'
import type { GmailClient } from './client.ts'
import { errorOf } from './errors.ts'
import type { QuotaCosts } from './quota.ts'

/** A label as messages carry it and as a search names it. */
export interface Label {
  id: string
  term: string
  /** The mailbox does not have this label, so no message carries it. */
  missing?: boolean
}

/** The labels of a filter. */
export interface Labels {
  labels: readonly Label[]
  skip: readonly Label[]
}

interface LabelOptions {
  name: string
  client: GmailClient
  costs: QuotaCosts
  /** By id, or by name in any case. */
  filter: LabelFilter
  now: () => number
}

// developers.google.com/gmail/api/guides/labels; search terms: support.google.com/mail/answer/7190
const SYSTEM: Readonly<Record<string, string>> = {
  INBOX: 'in:inbox',
  SENT: 'in:sent',
  DRAFT: 'in:drafts',
  SPAM: 'in:spam',
  TRASH: 'in:trash',
  CHAT: 'in:chats',
  UNREAD: 'is:unread',
  STARRED: 'is:starred',
  IMPORTANT: 'is:important',
  CATEGORY_PERSONAL: 'category:primary',
  CATEGORY_SOCIAL: 'category:social',
  CATEGORY_PROMOTIONS: 'category:promotions',
  CATEGORY_UPDATES: 'category:updates',
  CATEGORY_FORUMS: 'category:forums',
}
const ALSO_CALLED: Readonly<Record<string, string>> = { DRAFTS: 'DRAFT', CHATS: 'CHAT', BIN: 'TRASH' }
const REMEMBER_MS = 3_600_000

const answerSchema = z.object({ labels: z.array(z.object({ id: z.string(), name: z.string() })).default([]) })

/**
 * Finds the labels of a filter. System labels need no request. For other labels, the mailbox's labels are
 * listed about once an hour.
 */
export function labelFinder({ name, client, costs, filter, now }: LabelOptions): (call: Call) => Promise<Labels> {
  const own = [...filter.labels, ...filter.skip].some(label => !systemLabel(label))
  let listed: { at: number; names: ReadonlyMap<string, Label> } | undefined

  return async call => {
    if (own && !(listed && now() - listed.at < REMEMBER_MS)) listed = { at: now(), names: await list(call) }
    const find = (label: string) => systemLabel(label) ?? listed?.names.get(plain(label)) ?? missing(label)
    return { labels: filter.labels.map(find), skip: filter.skip.map(find) }
  }

  async function list(call: Call): Promise<ReadonlyMap<string, Label>> {
    const doing = `labels.list of ${name}`
    const answer = await client.ask({ doing, call, kind: 'list', units: costs.labelList }, (api, inner) =>
      api.users.labels.list({ userId: 'me', fields: 'labels(id,name)' }, inner),
    )
    if (answer.status !== 200) throw errorOf(answer, doing, { now })
    const { success, data } = answerSchema.safeParse(answer.body)
    if (!success) throw new MailError('unparsable', `${doing}: Google's answer contains no labels`)
    return new Map(
      data.labels.flatMap(({ id, name: called }) => {
        const label = ownLabel(id, called)
        return [called, id].map((key): [string, Label] => [plain(key), label])
      }),
    )
  }
}

/** Converts a filter to the label ids that messages carry. */
export function filterBy({ labels, skip }: Labels): LabelFilter {
  return { labels: labels.map(({ id }) => id), skip: skip.map(({ id }) => id) }
}

/** Reports which of a filter's labels the mailbox has. System labels always exist and are not reported. */
export function labelFindings({ labels, skip }: Labels, filter: LabelFilter): Finding[] {
  const finding = (part: Finding['part'], names: readonly string[], found: readonly Label[]) =>
    names.flatMap((name, place): Finding[] =>
      systemLabel(name) ? [] : [{ part, name, state: found[place]?.missing ? 'missing' : 'found' }],
    )
  return [...finding('label', filter.labels, labels), ...finding('skip', filter.skip, skip)]
}

function systemLabel(text: string): Label | undefined {
  const upper = text.toUpperCase()
  const id = ownOf(ALSO_CALLED, upper) ?? upper
  const term = ownOf(SYSTEM, id)
  return term === undefined ? undefined : { id, term }
}

// Searches write spaces and slashes of a label's name as dashes.
function ownLabel(id: string, name: string): Label {
  return { id, term: `label:${plain(name).replace(/[\s/&()"]+/g, '-')}` }
}

function missing(label: string): Label {
  return { ...ownLabel(label, label), missing: true }
}

function plain(text: string): string {
  return text.toLowerCase()
}
