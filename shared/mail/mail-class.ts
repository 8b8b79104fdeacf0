import type { Address, MailClass, Message } from '../message.ts'

/** A header of a mail. */
export interface Header {
  name: string
  value: string
}

/** The most characters of a cause, which names a header, a label or a sender. */
export const LONGEST_CAUSE = 80

// Headers that mark mail by their presence, the most certain first. RFC 2369 and RFC 2919 define those of lists.
const BY_HEADER: readonly (readonly [name: string, kind: MailClass['kind'], value?: RegExp])[] = [
  // RFC 3834, 5: everything but `no` comes from a program.
  ['Auto-Submitted', 'automated', /^(?!\s*no\b)\s*\S/i],
  ['X-Autoreply', 'automated'],
  ['X-Autorespond', 'automated'],
  // A bounce must not be answered (RFC 5321, 4.5.5).
  ['Return-Path', 'automated', /^\s*<\s*>\s*$/],
  ['List-Post', 'list', /^(?!\s*NO\b)\s*\S/i],
  ['Mailing-List', 'list'],
  ['X-Mailing-List', 'list'],
  ['Precedence', 'list', /^\s*list\s*$/i],
  ['List-Id', 'list'],
  ['List-Unsubscribe', 'automated'],
  ['Precedence', 'automated', /^\s*(?:bulk|junk|auto_reply)\s*$/i],
  ['Feedback-ID', 'automated'],
]

const AUTO_REPLY: readonly (readonly [name: string, value?: RegExp])[] = [
  ['Auto-Submitted', /^\s*auto-replied\b/i],
  ['X-Autoreply'],
  ['X-Autorespond'],
  ['Precedence', /^\s*auto_reply\s*$/i],
  // Exchange writes it for the rules of an inbox, such as an absence.
  ['X-MS-Exchange-Inbox-Rules-Loop'],
]

/** The headers that tell the class of a mail, and whether it is an automatic reply. */
export const CLASS_HEADERS: readonly string[] = [...new Set([...BY_HEADER, ...AUTO_REPLY].map(([name]) => name))]

const NOBODY = /^(?:(?:no|do-?not)[-_.]?reply|mailer-daemon|postmaster)(?:[-_.+]|$)/i

const BY_LABEL: ReadonlyMap<string, MailClass['kind']> = new Map([
  ['CATEGORY_FORUMS', 'list'],
  ['CATEGORY_PROMOTIONS', 'automated'],
  ['CATEGORY_SOCIAL', 'automated'],
  ['CATEGORY_UPDATES', 'automated'],
])

/** Returns what the headers and the sender show about a mail, as fields of a message; nothing where they show nothing. */
export function classFields(
  headers: readonly Header[],
  from: readonly Address[],
): Pick<Message, 'class' | 'isAutoReply' | 'contentLanguage'> {
  const has = (name: string, value = /\S/) =>
    headers.some(one => one.name.toLowerCase() === name.toLowerCase() && value.test(one.value.slice(0, LONGEST_CAUSE)))
  const header = BY_HEADER.find(([name, , value]) => has(name, value))
  const language = headers.find(({ name }) => name.toLowerCase() === 'content-language')?.value
  const nobody = from.find(({ address }) => NOBODY.test(address.split('@')[0] ?? ''))
  const shown = header ? madeOf(header[1], `header ${header[0]}`) : nobody && bySender(nobody)
  return {
    ...(shown ? { class: shown } : {}),
    ...(AUTO_REPLY.some(([name, value]) => has(name, value)) ? { isAutoReply: true as const } : {}),
    ...languageIn(language),
  }
}

/** Returns the class of a message by everything known about it, and what shows it. */
export function classOf({ labels, class: shown }: Pick<Message, 'labels' | 'class'>): MailClass {
  if (labels.includes('SENT')) return { kind: 'personal', cause: 'label SENT' }
  if (shown) return shown
  const label = labels.find(one => BY_LABEL.has(one))
  if (label !== undefined) return { kind: BY_LABEL.get(label) ?? 'personal', cause: `label ${label}` }
  if (labels.includes('CATEGORY_PERSONAL')) return { kind: 'personal', cause: 'label CATEGORY_PERSONAL' }
  return { kind: 'personal', cause: 'no header, label or sender of lists or programs' }
}

function bySender({ address }: Address): MailClass {
  return madeOf('automated', `sender ${address.split('@')[0] ?? ''}`)
}

function madeOf(kind: MailClass['kind'], cause: string): MailClass {
  return { kind, cause: cause.slice(0, LONGEST_CAUSE) }
}

// A language tag (RFC 5646); a mail in several languages names several.
function languageIn(value = ''): Pick<Message, 'contentLanguage'> {
  const tag = /^\s*([a-z]{2,3})(?:-[a-z\d-]{1,20})?\s*$/i.exec(value.slice(0, LONGEST_CAUSE))?.[1]
  return tag === undefined ? {} : { contentLanguage: tag.toLowerCase() }
}
