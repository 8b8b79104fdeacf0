import { systemLabel } from '../../labels.ts'
import type { Account } from '../account.ts'
import type { Entry } from '../entry.ts'
import { bare } from './document.ts'
import { byDocument, byEntry, type Term } from './term.ts'
import { positionsOf, wordsOf } from './words.ts'

/** The context of operators. */
export interface SearchContext {
  account: Account
  nowMs: number
}

/** Converts an operator's value to a term; `undefined` if it is not simulated. */
type Operator = (value: string, context: SearchContext) => Term | undefined

const DAY_MS = 86_400_000
const UNIT_MS = new Map([
  ['h', 3_600_000],
  ['d', DAY_MS],
  ['m', 30 * DAY_MS],
  ['y', 365 * DAY_MS],
])
const UNIT_BYTES = new Map([
  ['', 1],
  ['k', 1 << 10],
  ['m', 1 << 20],
  ['g', 1 << 30],
])
const HIDDEN_PLACES = new Set(['spam', 'trash', 'bin'])
const NOT_ARCHIVED = ['INBOX', 'SENT', 'DRAFT', 'SPAM', 'TRASH', 'CHAT']
const CATEGORIES = ['personal', 'social', 'promotions', 'updates', 'forums']
const MARKS = ['unread', 'starred', 'important', 'chat', 'sent', 'draft', 'spam', 'trash', 'inbox']
const LISTS = ['list-id', 'list-post', 'mailing-list', 'x-mailing-list']
const LINKED = new Map([
  ['drive', ['drive.google.com/', 'docs.google.com/']],
  ['document', ['docs.google.com/document/']],
  ['spreadsheet', ['docs.google.com/spreadsheets/']],
  ['presentation', ['docs.google.com/presentation/']],
  ['youtube', ['youtube.com/', 'youtu.be/']],
])

// As listed at support.google.com/mail/answer/7190. That `to:` covers any recipient follows Gmail's filters
// (FilterCriteria.to).
const OPERATORS = new Map<string, Operator>([
  ['from', inHeaders('from')],
  ['to', inHeaders('to', 'cc', 'bcc')],
  ['cc', inHeaders('cc')],
  ['bcc', inHeaders('bcc')],
  ['subject', inHeaders('subject')],
  ['deliveredto', inHeaders('delivered-to')],
  ['list', inHeaders(...LISTS)],
  ['filename', value => byDocument(({ filenames }) => positionsOf(wordsOf(value), filenames).length > 0)],
  ['rfc822msgid', value => byDocument(({ messageId }) => messageId === bare(value))],
  ['after', onDate((received, date) => received >= date)],
  ['newer', onDate((received, date) => received >= date)],
  ['before', onDate((received, date) => received < date)],
  ['older', onDate((received, date) => received < date)],
  ['newer_than', ago((received, date) => received >= date)],
  ['older_than', ago((received, date) => received < date)],
  ['size', bySize((size, bytes) => size === bytes)],
  ['larger', bySize((size, bytes) => size > bytes)],
  ['smaller', bySize((size, bytes) => size < bytes)],
  ['in', inPlace],
  ['label', labelled],
  ['is', marked],
  ['has', having],
  [
    'category',
    value => {
      const name = value.toLowerCase() === 'primary' ? 'personal' : value.toLowerCase()
      return CATEGORIES.includes(name) ? byEntry(carries(`CATEGORY_${name.toUpperCase()}`)) : undefined
    },
  ],
])

/** Returns the term of an operator and its value; `undefined` if either is not simulated. */
export function operatorTerm(name: string, value: string, context: SearchContext): Term | undefined {
  return OPERATORS.get(name.toLowerCase())?.(value, context)
}

function inHeaders(...names: string[]): Operator {
  return (value, { account }) => {
    const isPerson = !names.includes('subject')
    const phrase = wordsOf(isPerson && value.toLowerCase() === 'me' ? account.address : value)
    return byDocument(document => positionsOf(phrase, document.header(...names)).length > 0)
  }
}

function onDate(fits: (receivedMs: number, dateMs: number) => boolean): Operator {
  return value => {
    const date = dateMs(value)
    return date === undefined ? undefined : byEntry(entry => fits(entry.receivedAtMs, date))
  }
}

function ago(fits: (receivedMs: number, dateMs: number) => boolean): Operator {
  return (value, { nowMs }) => {
    const [, count, unit = ''] = /^(\d{1,6})([hdmy])$/i.exec(value) ?? []
    const unitMs = UNIT_MS.get(unit.toLowerCase())
    if (unitMs === undefined) return undefined
    const date = nowMs - Number(count) * unitMs
    return byEntry(entry => fits(entry.receivedAtMs, date))
  }
}

function bySize(fits: (sizeBytes: number, bytes: number) => boolean): Operator {
  return value => {
    const [, count, unit = ''] = /^(\d{1,12})([kmg]?)b?$/i.exec(value) ?? []
    if (count === undefined) return undefined
    const bytes = Number(count) * (UNIT_BYTES.get(unit.toLowerCase()) ?? 1)
    return byDocument(({ sizeBytes }) => fits(sizeBytes, bytes))
  }
}

function inPlace(value: string, context: SearchContext): Term | undefined {
  const name = value.toLowerCase()
  if (name === 'anywhere') return byEntry(() => true, true)
  if (name === 'archive') return byEntry(entry => NOT_ARCHIVED.every(id => !entry.labelIds.includes(id)))
  if (name === 'snoozed' || name === 'scheduled' || name === 'outbox') return undefined
  return labelled(value, context)
}

function labelled(value: string, { account }: SearchContext): Term | undefined {
  if (value.startsWith('^')) return undefined
  const id = systemLabel(value) ?? account.labels.named(value)?.id
  return byEntry(entry => id !== undefined && entry.labelIds.includes(id), HIDDEN_PLACES.has(value.toLowerCase()))
}

function marked(value: string): Term | undefined {
  const name = value.toLowerCase()
  if (name === 'read') return byEntry(entry => !entry.labelIds.includes('UNREAD'))
  return MARKS.includes(name) ? byEntry(carries(name.toUpperCase()), HIDDEN_PLACES.has(name)) : undefined
}

function having(value: string, { account }: SearchContext): Term | undefined {
  const name = value.toLowerCase()
  const isOwn = (id: string) => account.labels.find(id)?.type === 'user'
  if (name === 'attachment') return byDocument(({ filenames }) => filenames.length > 0)
  if (name === 'userlabels') return byEntry(entry => entry.labelIds.some(isOwn))
  if (name === 'nouserlabels') return byEntry(entry => !entry.labelIds.some(isOwn))
  const places = LINKED.get(name)
  return places && byDocument(document => document.links(places))
}

function carries(id: string): (entry: Entry) => boolean {
  return ({ labelIds }) => labelIds.includes(id)
}

// Seconds since 1970, 2026/10/31, 2026-10-31 or 10/31/2026; days are in UTC here.
function dateMs(value: string): number | undefined {
  if (/^\d{5,11}$/.test(value)) return Number(value) * 1000
  const [, y, m, d] = /^(\d{4})[/-](\d{1,2})[/-](\d{1,2})$/.exec(value) ?? []
  const [, month = m, day = d, year = y] = /^(\d{1,2})[/-](\d{1,2})[/-](\d{4})$/.exec(value) ?? []
  if (year === undefined) return undefined
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  // 31 June is not a day.
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day) ? date.getTime() : undefined
}
