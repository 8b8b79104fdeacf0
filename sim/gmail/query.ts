import { systemLabel } from '../labels.ts'
import type { Account } from './account.ts'
import type { Entry } from './entry.ts'
import { invalid } from './error.ts'

/** What a search asks for: whether a message matches, and whether spam and trash are searched too. */
export interface Query {
  matches: (entry: Entry) => boolean
  everywhere: boolean
}

const DAY_MS = 86_400_000
const UNIT_MS: Record<string, number> = { h: 3_600_000, d: DAY_MS, m: 30 * DAY_MS, y: 365 * DAY_MS }
const HIDDEN_PLACES = new Set(['spam', 'trash', 'anywhere'])

/**
 * Reads a `q` parameter: `after: before: newer: older: newer_than: older_than: in: label: is: category:`, each with `-` before it to
 * negate, and `{a b}` for any of several. Dates are UTC or epoch seconds. Throws a 400 for anything else, which Gmail might search for and this simulator cannot.
 */
export function readQuery(text: string, account: Account, nowMs: number): Query {
  const groups = [...text.matchAll(/\{([^{}]*)\}/g)].map(([, inside = '']) => inside.trim().split(/\s+/))
  const anyOf = groups.map(group => group.map(term => readQuery(term, account, nowMs)))
  const rest = readTerms(text.replace(/\{[^{}]*\}/g, ' '), account, nowMs)
  return {
    matches: entry => rest.matches(entry) && anyOf.every(group => group.some(({ matches }) => matches(entry))),
    everywhere: rest.everywhere || anyOf.flat().some(({ everywhere }) => everywhere),
  }
}

function readTerms(text: string, account: Account, nowMs: number): Query {
  const terms = [...text.matchAll(/(-?)([a-z_]+):(?:"([^"]*)"|(\S+))|(\S+)/g)]
  const tests = terms.map(([whole, minus, operator = '', quoted, plain]) => {
    const test = testFor(operator, quoted ?? plain ?? '', { account, nowMs })
    if (!test) throw invalid(`The simulator cannot search for "${whole}"`, 'q')
    return minus ? (entry: Entry) => !test(entry) : test
  })
  return {
    matches: entry => tests.every(test => test(entry)),
    everywhere: terms.some(([, minus, operator, quoted, plain]) => {
      return (
        !minus &&
        (operator === 'in' || operator === 'label') &&
        HIDDEN_PLACES.has((quoted ?? plain ?? '').toLowerCase())
      )
    }),
  }
}

type Test = (entry: Entry) => boolean

function testFor(
  operator: string,
  value: string,
  { account, nowMs }: { account: Account; nowMs: number },
): Test | undefined {
  switch (operator) {
    case 'after':
    case 'newer':
      return timeTest(dateMs(value), (received, date) => received >= date)
    case 'before':
    case 'older':
      return timeTest(dateMs(value), (received, date) => received < date)
    case 'newer_than':
      return timeTest(agoMs(value, nowMs), (received, date) => received >= date)
    case 'older_than':
      return timeTest(agoMs(value, nowMs), (received, date) => received < date)
    case 'in':
      return value === 'anywhere' ? () => true : labelTest(value, account)
    case 'label':
      return labelTest(value, account)
    case 'is':
      return value === 'read' ? entry => !entry.labelIds.includes('UNREAD') : labelTest(value, account)
    case 'category':
      return labelTest(value === 'primary' ? 'category_personal' : `category_${value}`, account)
    default:
      return undefined
  }
}

function timeTest(
  date: number | undefined,
  compare: (receivedMs: number, dateMs: number) => boolean,
): Test | undefined {
  return date === undefined ? undefined : entry => compare(entry.receivedAtMs, date)
}

function labelTest(name: string, account: Account): Test {
  const id = systemLabel(name) ?? account.labels.named(name)?.id
  return entry => id !== undefined && entry.labelIds.includes(id)
}

function dateMs(value: string): number | undefined {
  if (/^\d{5,}$/.test(value)) return Number(value) * 1000
  const match = /^(\d{4})[/-](\d{1,2})[/-](\d{1,2})$/.exec(value)
  return match ? Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) : undefined
}

function agoMs(value: string, nowMs: number): number | undefined {
  const match = /^(\d+)([hdmy])$/.exec(value)
  const unitMs = UNIT_MS[match?.[2] ?? '']
  return unitMs === undefined ? undefined : nowMs - Number(match?.[1]) * unitMs
}
