import { ownOf } from './own.ts'

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const ZONE_HOURS: Record<string, number> = { EST: -5, EDT: -4, CST: -6, CDT: -5, MST: -7, MDT: -6, PST: -8, PDT: -7 }
const MINUTE_MS = 60_000
const LINE_CHARACTERS = 512

// `Fri Jul 19 14:27:23 2002` as in mbox, `Fri Jul 19 14:27:23 +0000 2002` as in Takeout, and UUCP's trailing
// host.
const ENVELOPE_DATE =
  /\b([A-Z][a-z]{2}) +(\d{1,2}) +(\d{1,2}):(\d{2})(?::(\d{2}))?(?: +([+-]\d{4}|[A-Z]{1,5}))? +(\d{4})(?: +([+-]\d{4}|[A-Z]{1,5}))?(?: +remote from \S+)?\s*$/
// Some programs write it like a Date header or like RFC 3339.
const HEADER_DATE_AT_END =
  /\b\d{1,2} +[A-Z][a-z]{2} +\d{4} +\d{1,2}:\d{2}(?::\d{2})?(?: +(?:[+-]\d{4}|[A-Z]{1,5}))?(?: +\([^()]*\))?\s*$/
const ISO_DATE_AT_END = /\b(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?\s*$/

const MAIL_DATE =
  /\b(\d{1,2})[ -]+([A-Za-z]{3})[a-z]*[ -]+(\d{4}|\d{2}),? +(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)? *([+-]\d{4}|[A-Za-z]{1,5})?/

/**
 * Returns the time of an mbox `From ` line in ms since 1970, in UTC if it has no offset; `undefined` if it
 * has no time.
 */
export function envelopeDateMs(text: string): number | undefined {
  const line = text.slice(0, LINE_CHARACTERS)
  const match = ENVELOPE_DATE.exec(line)
  if (!match) return otherDateMs(line)
  const [, month = '', day, hour, minute, second, zone, year, lastZone] = match
  return timeMs({ year, month, day, hour, minute, second, zone: zone ?? lastZone })
}

function otherDateMs(line: string): number | undefined {
  const [text] = HEADER_DATE_AT_END.exec(line) ?? []
  if (text !== undefined) return mailDateMs(text)
  const [, time = '', zone = 'Z'] = ISO_DATE_AT_END.exec(line) ?? []
  const ms = Date.parse(`${time.replace(' ', 'T')}${zone}`)
  return ms >= 0 ? ms : undefined
}

/**
 * Returns the time of a Date header (RFC 5322, including obsolete forms) in ms since 1970, the same on every
 * machine; `undefined` if it has none.
 */
export function mailDateMs(text: string): number | undefined {
  const match = MAIL_DATE.exec(text)
  if (!match) return undefined
  const [, day, month = '', year, hour, minute, second, zone] = match
  return timeMs({ year, month, day, hour, minute, second, zone })
}

interface Written {
  year: string | undefined
  month: string
  day: string | undefined
  hour: string | undefined
  minute: string | undefined
  second: string | undefined
  zone: string | undefined
}

function timeMs({ year, month, day, hour, minute, second = '0', zone = '' }: Written): number | undefined {
  const monthIndex = MONTHS.indexOf(month.toLowerCase())
  const [date, hours, minutes, seconds] = [Number(day), Number(hour), Number(minute), Number(second)]
  if (monthIndex < 0 || date < 1 || date > 31 || hours > 23 || minutes > 59 || seconds > 60) return undefined
  const ms = Date.UTC(fullYear(Number(year)), monthIndex, date, hours, minutes, seconds) - offsetMs(zone)
  return ms >= 0 ? ms : undefined
}

function fullYear(year: number): number {
  if (year >= 100) return year
  return year < 50 ? 2000 + year : 1900 + year
}

function offsetMs(zone: string): number {
  const match = /^([+-])(\d{2})(\d{2})$/.exec(zone)
  if (!match) return (ownOf(ZONE_HOURS, zone.toUpperCase()) ?? 0) * 60 * MINUTE_MS
  const minutes = Number(match[2]) * 60 + Number(match[3])
  return (match[1] === '-' ? -minutes : minutes) * MINUTE_MS
}
