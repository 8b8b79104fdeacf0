import { ownOf } from '../own.ts'
import type { Entry } from './entry.ts'
import { badRequest, notSimulated } from './error.ts'

/** An OData `$filter` on messages. */
export type Filter = (entry: Entry) => boolean

const MAX_ITEMS = 1000
// Other properties of messages and folders.
const OTHERS = [
  'attachments',
  'conversationIndex',
  'extensions',
  'isDeliveryReceiptRequested',
  'isReadReceiptRequested',
  'sizeInBytes',
  'uniqueBody',
  'webLink',
]
const NUMBER = /^\d{1,9}$/
const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:\d\d)$/

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ge: (a, b) => a >= b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  lt: (a, b) => a < b,
  eq: (a, b) => a === b,
}

/** Refuses unsupported parameters with a 400, so that none is ignored silently. */
export function allowOnly(query: URLSearchParams, names: readonly string[]): void {
  for (const name of query.keys()) if (!names.includes(name)) throw notSimulated(`The query parameter ${name}, here,`)
}

/**
 * Returns the names of a `$select`; `undefined` if there is none. Throws a 400 for a property that the type
 * does not have.
 */
export function selected(
  query: URLSearchParams,
  properties: readonly string[],
  type: string,
): readonly string[] | undefined {
  const text = query.get('$select')
  if (text === null || text === '') return undefined
  return text.split(',').map(name => {
    const asked = name.trim()
    const known = properties.find(property => property.toLowerCase() === asked.toLowerCase())
    if (known === undefined && OTHERS.includes(asked)) throw notSimulated(`The property ${asked}`)
    if (known === undefined)
      throw badRequest(`Could not find a property named '${asked}' on type '${type}'.`, 'RequestBroker--ParseUri')
    return known
  })
}

/** Returns `$top` (10 by default, 1,000 at most) and `$skip`; throws a 400 for an invalid number. */
export function pageOf(query: URLSearchParams): { top: number; skip: number } {
  const top = query.get('$top') ?? '10'
  const skip = query.get('$skip') ?? '0'
  if (!NUMBER.test(top) || Number(top) < 1 || Number(top) > MAX_ITEMS)
    throw badRequest(
      `Invalid value '${top}' for $top query option found. The $top query option requires an integer from 1 to ${MAX_ITEMS}.`,
      'ErrorInvalidUrlQueryFilter',
    )
  if (!NUMBER.test(skip))
    throw badRequest(`Invalid value '${skip}' for $skip query option found. A non-negative integer is required.`)
  return { top: Number(top), skip: Number(skip) }
}

/** Whether a list is oldest first; newest first by default. Throws a 400 for any other order. */
export function oldestFirst(query: URLSearchParams): boolean {
  const order = query.get('$orderby') ?? 'receivedDateTime desc'
  const match = /^receivedDateTime(?: (asc|desc))?$/i.exec(order.trim())
  if (!match) throw notSimulated(`$orderby=${order}`)
  return match[1]?.toLowerCase() !== 'desc'
}

/**
 * Parses a `$filter` of comparisons joined by `and`: `receivedDateTime` with a time, `isDraft` and `isRead`
 * with `eq`. Throws a 400 for an invalid comparison, or one outside the filterable `properties`.
 */
export function readFilter(text: string | null, properties: readonly string[]): Filter {
  if (text === null || text.trim() === '') return () => true
  const tests = text
    .trim()
    .split(/ and /i)
    .map(clause => readClause(clause.trim(), properties))
  return entry => tests.every(test => test(entry))
}

function readClause(clause: string, properties: readonly string[]): Filter {
  const [, name = '', operator = '', value = ''] = /^(\w+) (\w+) (\S+)$/.exec(clause) ?? []
  const compare = ownOf(COMPARISONS, operator.toLowerCase())
  if (!compare || !properties.includes(name)) throw notSimulated(`$filter=${clause}`)
  if (name === 'receivedDateTime') {
    if (!SECONDS.test(value))
      throw badRequest(
        `Invalid filter clause: '${value}' is no date and time such as 2026-01-01T00:00:00Z.`,
        'ErrorInvalidUrlQueryFilter',
      )
    const atMs = Date.parse(value)
    // Times are rendered and compared without fractions of a second.
    return ({ receivedAtMs }) => compare(Math.floor(receivedAtMs / 1000) * 1000, atMs)
  }
  if (operator.toLowerCase() !== 'eq' || !/^(true|false)$/.test(value)) throw notSimulated(`$filter=${clause}`)
  const wanted = value === 'true'
  return name === 'isDraft' ? entry => entry.isDraft === wanted : entry => entry.isRead === wanted
}
