import type { Invite } from '../message.ts'
import { cutText, oneLine } from '../text.ts'

// Invitations have a few kilobytes; time zones and descriptions make them longer.
const MOST_CHARACTERS = 200_000
const MOST_LINES = 5000
const MOST_LEVELS = 6
const MOST_EVENTS = 5
const LONGEST_TEXT = 300
const LONGEST_WORD = 80

/**
 * Reads the events of calendars (RFC 5545), as far as they are read at all: five events, of calendars with 200,000 characters, 5,000 lines
 * and six levels at most. Repetitions are named and not unfolded. Never throws; what cannot be read is left out.
 */
export async function readInvites(calendars: readonly string[]): Promise<Invite[]> {
  const sane = calendars.filter(isSane)
  if (sane.length === 0) return []
  // Few mails carry calendars, and only the stages that fetch need the library.
  const { default: ICAL } = await import('ical.js')
  const invites: Invite[] = []
  for (const text of sane) {
    try {
      const parsed = ICAL.parse(text)
      // One calendar, or a list of them.
      const all = typeof parsed[0] === 'string' ? [parsed] : parsed
      for (const one of all) {
        const calendar = new ICAL.Component(one)
        const method = word(calendar.getFirstPropertyValue('method'))?.toUpperCase() ?? 'PUBLISH'
        for (const event of calendar.getAllSubcomponents('vevent').slice(0, MOST_EVENTS - invites.length))
          invites.push(inviteOf(event, method))
      }
    } catch {
      // What a stranger wrote may be no calendar; the mail says the same in words.
    }
  }
  return invites
}

interface Event {
  getFirstPropertyValue(name: string): unknown
  getFirstProperty(name: string): { getParameter(name: string): unknown } | null
}

function inviteOf(event: Event, method: string): Invite {
  const value = (name: string) => event.getFirstPropertyValue(name)
  const start = event.getFirstProperty('dtstart')
  const fields = {
    uid: word(value('uid')),
    summary: line(value('summary')),
    location: line(value('location')),
    organizer: word(value('organizer'))?.replace(/^mailto:/i, ''),
    start: word(value('dtstart')),
    end: word(value('dtend')),
    zone: word(start?.getParameter('tzid')),
    repeats: word(value('rrule')),
  }
  const known = Object.entries(fields).filter(([, text]) => text !== undefined && text !== '')
  return { method, ...Object.fromEntries(known) }
}

function word(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : cutText(oneLine(String(value)), LONGEST_WORD)
}

function line(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : cutText(oneLine(String(value)), LONGEST_TEXT)
}

// The parser calls itself for each level, and keeps every line.
function isSane(text: string): boolean {
  if (text.length > MOST_CHARACTERS) return false
  const lines = text.split(/\r\n?|\n/)
  if (lines.length > MOST_LINES) return false
  let level = 0
  return lines.every(one => {
    if (/^BEGIN:/i.test(one)) level += 1
    else if (/^END:/i.test(one)) level -= 1
    return level <= MOST_LEVELS
  })
}
