import { mailDateMs } from '../date.ts'
import { ownOf } from '../own.ts'
import { leavesOf, lineOf } from '../snippet.ts'
import type { Account, Content } from './account.ts'
import { bodyOf } from './body.ts'
import type { Entry } from './entry.ts'
import { type Recipient, recipientsIn } from './recipients.ts'

/**
 * How to render messages: the selected properties (all usual ones by default), and the preferred ids and
 * bodies.
 */
export interface Asking {
  select: readonly string[] | undefined
  immutableIds: boolean
  textBody: boolean
  /** Whether the token may read bodies; without it their properties are omitted (Mail.ReadBasic). */
  bodies: boolean
}

type Property = (entry: Entry, has: { account: Account; asking: Asking; content: Content }) => unknown

const PREVIEW_CHARACTERS = 255
const OF_BODIES = ['body', 'bodyPreview']

// Properties that need no mail content.
const PLAIN: Readonly<Record<string, (entry: Entry, account: Account) => unknown>> = {
  createdDateTime: entry => seconds(entry.receivedAtMs),
  lastModifiedDateTime: entry => seconds(entry.modifiedAtMs),
  changeKey: (entry, { ids }) => ids.changeKey(entry.version),
  categories: entry => entry.categories,
  receivedDateTime: entry => seconds(entry.receivedAtMs),
  importance: entry => (entry.important ? 'high' : 'normal'),
  parentFolderId: entry => entry.folder.id,
  conversationId: (entry, { ids }) => ids.conversation(entry.conversation),
  isRead: entry => entry.isRead,
  isDraft: entry => entry.isDraft,
  inferenceClassification: () => 'focused',
  flag: entry => ({ flagStatus: entry.flagged ? 'flagged' : 'notFlagged' }),
}

const READ: Readonly<Record<string, Property>> = {
  sentDateTime: (entry, { content }) => seconds(mailDateMs(header(content, 'date') ?? '') ?? entry.receivedAtMs),
  hasAttachments: (_, { content }) => leavesOf(content.root).some(({ filename }) => filename !== ''),
  internetMessageId: (_, { content }) => header(content, 'message-id') ?? null,
  subject: (_, { content }) => header(content, 'subject') ?? '',
  bodyPreview: (_, { content }) => lineOf(content.root, PREVIEW_CHARACTERS),
  body: (_, { content, asking }) => bodyOf(content.root, asking.textBody),
  sender: (_, { content }) => author(content, 'sender') ?? author(content, 'from'),
  from: (_, { content }) => author(content, 'from'),
  toRecipients: (_, { content }) => recipients(content, 'to'),
  ccRecipients: (_, { content }) => recipients(content, 'cc'),
  bccRecipients: (_, { content }) => recipients(content, 'bcc'),
  replyTo: (_, { content }) => recipients(content, 'reply-to'),
  // Graph has none of a draft.
  internetMessageHeaders: ({ isDraft }, { content }) =>
    isDraft ? undefined : content.root.headers.map(({ name, value }) => ({ name, value })),
}

const USUAL = [...Object.keys(PLAIN), ...Object.keys(READ)].filter(name => name !== 'internetMessageHeaders')

/** The selectable properties of a message. */
export const MESSAGE_PROPERTIES: readonly string[] = ['id', ...USUAL, 'internetMessageHeaders']

/** Renders a message with the selected properties, and always its id and etag. */
export async function renderMessage(entry: Entry, account: Account, asking: Asking): Promise<Record<string, unknown>> {
  const names = (asking.select ?? USUAL).filter(name => asking.bodies || !OF_BODIES.includes(name))
  const content = names.some(name => ownOf(READ, name)) ? await account.content(entry) : undefined
  const values = names.flatMap(name => {
    const plain = ownOf(PLAIN, name)
    if (plain) return [[name, plain(entry, account)]]
    const read = ownOf(READ, name)
    // A message without a sender lacks the property.
    const value = read && content && read(entry, { account, asking, content })
    return value === undefined ? [] : [[name, value]]
  })
  return {
    '@odata.etag': etagOf(entry, account),
    ...(content ? typeOf(content) : {}),
    id: messageId(entry, account, asking),
    ...Object.fromEntries(values),
  }
}

// learn.microsoft.com/graph/api/resources/eventmessage: requests and responses have types of their own, cancellations the common one.
const EVENT_TYPES = new Map([
  ['request', 'eventMessageRequest'],
  ['reply', 'eventMessageResponse'],
  ['cancel', 'eventMessage'],
])

function typeOf({ root }: Content): { '@odata.type'?: string } {
  const calendar = leavesOf(root).find(({ mimeType }) => mimeType === 'text/calendar')
  const method = calendar && /^METHOD:([A-Z]{1,20})\s*$/im.exec(calendar.content().toString('utf8').slice(0, 5000))?.[1]
  const type = EVENT_TYPES.get(method?.toLowerCase() ?? '')
  return type === undefined ? {} : { '@odata.type': `#microsoft.graph.${type}` }
}

/** Returns a message's etag, which differs after each change. */
export function etagOf({ version }: Entry, { ids }: Account): string {
  return `W/"${ids.changeKey(version)}"`
}

/** Returns a message's id of the preferred kind; `moves` selects an earlier one. */
export function messageId(
  { index, moves: now }: Entry,
  { ids }: Account,
  { immutableIds, moves = now }: { immutableIds: boolean; moves?: number },
): string {
  return immutableIds ? ids.immutable(index) : ids.message(index, moves)
}

/** Formats a time in ISO 8601, to the second. */
function seconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

function header({ root }: Content, wanted: string): string | undefined {
  return values(root.headers, wanted)[0]
}

function values(headers: Content['root']['headers'], wanted: string): string[] {
  return headers.flatMap(({ name, value }) => (name.toLowerCase() === wanted && value.trim() !== '' ? [value] : []))
}

function recipients({ root }: Content, name: string): Recipient[] {
  return recipientsIn(values(root.headers, name))
}

function author({ root }: Content, name: string): Recipient | undefined {
  return recipientsIn(values(root.headers, name), { alone: true })[0]
}
