import { composeMail, type Draft } from './compose.ts'
import type { NewMail } from './mailbox.ts'

const HOUR_MS = 3_600_000
const DAYS_BETWEEN = 6
const NEWSLETTERS = [
  {
    from: 'Project Weekly <news@weekly.example.net>',
    subject: 'Seven signs that a plan is too tidy',
    text: 'Plans that never change are rarely read. This week: what a healthy plan looks like after month three.',
  },
  {
    from: 'Project Weekly <news@weekly.example.net>',
    subject: 'Retrospectives that end with a date',
    text: 'An action without a date is a wish. Three formats that fit into half an hour.',
  },
  {
    from: 'Project Weekly <news@weekly.example.net>',
    subject: 'The cost of a late decision',
    text: 'We asked forty teams what a week of waiting costs them. The answers differ by a factor of ten.',
  },
  {
    from: 'City Library <library@example.org>',
    subject: 'Your loan is due in three days',
    text: 'One item is due soon. You can renew it twice unless somebody has reserved it.',
  },
  {
    from: 'Canteen <canteen@example.com>',
    subject: 'Menu for the week',
    text: 'Monday: lentil stew. Tuesday: pasta bake. Wednesday: fish or tofu. Thursday: dumplings. Friday: soup of the day.',
  },
  {
    from: 'Canteen <canteen@example.com>',
    subject: 'Closed on Thursday afternoon',
    text: 'The dishwasher is being replaced. Coffee is served in the lobby.',
  },
  {
    from: 'IT Service <service@example.com>',
    subject: 'Maintenance window on Saturday',
    text: 'The file server restarts between 06:00 and 07:00. No action is needed.',
  },
  {
    from: 'IT Service <service@example.com>',
    subject: 'Your password expires in 14 days',
    text: 'Change it from any computer in the app. We never ask for it by mail.',
  },
  {
    from: 'Rail Tickets <no-reply@tickets.example.net>',
    subject: 'Your booking for 6 October',
    text: 'Coach 7, seat 42. Please be on the platform ten minutes early.',
  },
  {
    from: 'Tool Shop <offers@shop.example.net>',
    subject: 'Whiteboards at half price',
    text: 'Only this week, while stocks last. Free delivery for orders of three or more.',
  },
] as const

const ANA = 'Ana Torres <ana@example.com>'

/**
 * Returns the demo's mails outside conversations: newsletters, notices, one HTML-only mail, one spam and one
 * draft.
 */
export function demoSingles(firstDayMs: number): (NewMail & { receivedAtMs: number })[] {
  const newsletters = NEWSLETTERS.map(({ from, subject, text }, index) => {
    const list = { 'List-Unsubscribe': '<mailto:unsubscribe@example.net>', Precedence: 'bulk' }
    const html = `<html><body><h1>${subject}</h1><p>${text}</p></body></html>`
    const label = from.includes('example.com') ? 'CATEGORY_UPDATES' : 'CATEGORY_PROMOTIONS'
    return single({
      from,
      subject,
      text,
      html,
      headers: list,
      day: index * DAYS_BETWEEN + 1,
      firstDayMs,
      labels: ['INBOX', label],
    })
  })
  return [
    ...newsletters,
    single({
      from: 'Facility Desk <desk@example.org>',
      subject: 'Ticket 4711 closed: heating in room Weser',
      html: '<html><head><style>p { color: #333 }</style></head><body><p>Your ticket was closed.</p><p>Fixed: the valve &amp; the sensor. Still cold? Answer within 7&nbsp;days.</p></body></html>',
      day: 30,
      firstDayMs,
      labels: ['INBOX', 'CATEGORY_UPDATES'],
    }),
    single({
      from: 'Prize Office <winner@prizes.example.net>',
      subject: 'You have won!!!',
      text: 'Send us your bank details today to receive your prize.',
      day: 22,
      firstDayMs,
      labels: ['SPAM', 'UNREAD'],
    }),
    single({
      from: ANA,
      to: [],
      subject: 'Lessons learned (draft)',
      text: 'Three things went well, two did not. To be continued.',
      day: 60,
      firstDayMs,
      labels: ['DRAFT'],
    }),
  ]
}

type Single = Pick<Draft, 'from' | 'subject' | 'text' | 'html' | 'headers'> & {
  to?: readonly string[]
  day: number
  firstDayMs: number
  labels: readonly string[]
}

function single({ to = [ANA], day, firstDayMs, labels, ...draft }: Single): NewMail & { receivedAtMs: number } {
  const receivedAtMs = firstDayMs + (24 * day + 9) * HOUR_MS
  const id = `<${day}.${draft.subject.length}@single.example.net>`
  return { raw: composeMail({ ...draft, to, id, atMs: receivedAtMs }), receivedAtMs, labels }
}
