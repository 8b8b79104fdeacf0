import t from 'tap'
import { readInvites } from '../../../shared/calendar/invites.ts'

const EVENT = [
  'BEGIN:VEVENT',
  'UID:1@example.com',
  'SUMMARY:Review of the\\n deck',
  'LOCATION:Room 4',
  'ORGANIZER;CN=Bo:mailto:bo@example.com',
  'DTSTART;TZID=Europe/Copenhagen:20261201T100000',
  'DTEND;TZID=Europe/Copenhagen:20261201T110000',
  'RRULE:FREQ=WEEKLY;COUNT=5',
  'END:VEVENT',
]

t.test('an invitation has its method, times, zone and rule', async t => {
  t.same(await readInvites([calendar(EVENT)]), [
    {
      method: 'REQUEST',
      uid: '1@example.com',
      summary: 'Review of the deck',
      location: 'Room 4',
      organizer: 'bo@example.com',
      start: '2026-12-01T10:00:00',
      end: '2026-12-01T11:00:00',
      zone: 'Europe/Copenhagen',
      repeats: 'FREQ=WEEKLY;COUNT=5',
    },
  ])
})

t.test('times in UTC, days, cancellations and calendars without a method are read as they are', async t => {
  const [utc] = await readInvites([calendar(['BEGIN:VEVENT', 'DTSTART:20261201T090000Z', 'END:VEVENT'], 'CANCEL')])
  t.same(utc, { method: 'CANCEL', start: '2026-12-01T09:00:00Z' })
  const day = ['BEGIN:VCALENDAR', 'BEGIN:VEVENT', 'DTSTART;VALUE=DATE:20261224', 'END:VEVENT', 'END:VCALENDAR']
  t.same(await readInvites([day.join('\n')]), [{ method: 'PUBLISH', start: '2026-12-24' }])
})

t.test('each bound of a calendar holds by itself', async t => {
  const count = async (...texts: string[]) => (await readInvites(texts)).length
  const padding = (lines: number, length: number) => Array<string>(lines).fill(`X-A:${'a'.repeat(length)}`)
  const levels = (most: number) => [...Array<string>(most).fill('BEGIN:X-A'), ...Array<string>(most).fill('END:X-A')]
  t.equal(await count(calendar([...EVENT, ...padding(190, 1000)])), 1)
  t.equal(await count(calendar([...EVENT, ...padding(200, 1000)])), 0, 'characters')
  t.equal(await count(calendar([...EVENT, ...padding(4900, 1)])), 1)
  t.equal(await count(calendar([...EVENT, ...padding(5000, 1)])), 0, 'lines')
  t.equal(await count(calendar([...EVENT, ...levels(5)])), 1)
  t.equal(await count(calendar([...EVENT, ...levels(6)])), 0, 'levels')
  const four = calendar([...EVENT, ...EVENT, ...EVENT, ...EVENT])
  t.equal(await count(four, four), 5, 'events of all calendars')
  const [long] = await readInvites([calendar(['BEGIN:VEVENT', `UID:${'u'.repeat(100)}`, 'END:VEVENT'])])
  t.equal(long?.uid?.length, 80, 'characters of a word')
})

t.test('hostile calendars are bounded in time and size, and never throw', async t => {
  const hostile = [
    'BEGIN:VCALENDAR\r\n'.repeat(10_000),
    `${'BEGIN:VEVENT\r\n'.repeat(4000)}`,
    `BEGIN:VCALENDAR\r\nSUMMARY:${'a'.repeat(190_000)}\r\nEND:VCALENDAR`,
    calendar(['BEGIN:VEVENT', `SUMMARY:${'\\n;,"'.repeat(30_000)}`, 'END:VEVENT']),
    calendar(['BEGIN:VEVENT', `SUMMARY;X=${'"'.repeat(150_000)}:a`, 'END:VEVENT']),
    calendar(['BEGIN:VEVENT', `SUMMARY${';A=B'.repeat(40_000)}:a`, 'END:VEVENT']),
    calendar(Array(2000).fill('X-A:\u0000\ud800')),
    calendar(Array(900).fill(['BEGIN:VEVENT', 'SUMMARY:a', 'END:VEVENT']).flat()),
    calendar(['BEGIN:VEVENT', 'RRULE:FREQ=SECONDLY;INTERVAL=1', 'DTSTART:99999999T999999', 'END:VEVENT']),
    `BEGIN:VCALENDAR${'\r\n '.repeat(4000)}`,
    'x'.repeat(30_000_000),
    '',
    '\u0000',
  ]
  for (const [place, text] of hostile.entries()) {
    const started = process.cpuUsage()
    const invites = await readInvites([text])
    const ms = process.cpuUsage(started).user / 1000
    t.ok(ms < 500, `calendar ${place} took ${ms.toFixed(0)} ms`)
    t.ok(invites.length <= 5 && JSON.stringify(invites).length < 8000, `calendar ${place}`)
  }
})

function calendar(lines: readonly string[], method = 'REQUEST'): string {
  return ['BEGIN:VCALENDAR', 'VERSION:2.0', `METHOD:${method}`, ...lines, 'END:VCALENDAR', ''].join('\r\n')
}
