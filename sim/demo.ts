import { createHash } from 'node:crypto'
import { composeMail } from './compose.ts'
import { type Role, STEPS } from './demo-script.ts'
import { demoSingles } from './demo-singles.ts'
import { TEAMS, type Team, type Topic } from './demo-teams.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from './mailbox.ts'
import { ownOf } from './own.ts'

const ANA = 'Ana Torres <ana@example.com>'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FIRST_DAY_MS = Date.UTC(2026, 8, 7)
const UNREAD_FROM_MS = Date.UTC(2026, 10, 9)
const DAYS_BETWEEN_TOPICS = 5
// Some mail programs omit the references in a reply; one reply of each team does.
const FORGETFUL_TOPIC = 4
const ATTACHMENT = {
  filename: 'offer.csv',
  mimeType: 'text/csv',
  content: 'position,amount\r\nlabour,5400\r\nmaterial,3000\r\n',
}

/**
 * Builds the demo mailbox `ana@example.com`: five project teams in autumn 2026, about 300 mails, always the
 * same.
 */
export function demoMailbox(): SimMailbox {
  const mails = TEAMS.flatMap((team, teamIndex) =>
    team.topics.flatMap((topic, index) => conversation({ team, topic, index, teamIndex })),
  )
  const ordered = [...mails, ...demoSingles(FIRST_DAY_MS)].sort((a, b) => a.receivedAtMs - b.receivedAtMs)
  return memoryMailbox('ana@example.com', ordered)
}

interface Subject {
  team: Team
  topic: Topic
  index: number
  teamIndex: number
}

function conversation({ team, topic, index, teamIndex }: Subject): (NewMail & { receivedAtMs: number })[] {
  const { kind, subject, item, first, second } = topic
  const pick = picker(subject)
  let atMs = FIRST_DAY_MS + (index * DAYS_BETWEEN_TOPICS + teamIndex) * DAY_MS + (8 * 60 + pick(120)) * 60_000
  const words = {
    item,
    first,
    second,
    due: dayName(inOfficeHours(atMs + (4 + pick(5)) * DAY_MS)),
    later: dayName(inOfficeHours(atMs + (12 + pick(8)) * DAY_MS)),
  }
  const ids: string[] = []
  let previous = { by: '', text: '', atMs }

  return STEPS[kind].map(({ by, afterHours, says }, step) => {
    atMs = inOfficeHours(atMs + afterHours * HOUR_MS + pick(50) * 60_000)
    const from = personOf(team, by)
    const text = fill(says[pick(says.length)] ?? '', words)
    const id = messageId(`${subject} ${step}`, from)
    const forgetful = step === 1 && index === FORGETFUL_TOPIC
    const raw = composeMail({
      from,
      to: [ANA, ...Object.values(team.people)].filter(person => person !== from),
      subject: step === 0 ? subject : `Re: ${subject}`,
      atMs,
      id,
      references: forgetful ? [] : ids,
      text: [greeting(by, pick), text, signature(from), quote(previous, step > 0 && pick(2) === 0)]
        .filter(Boolean)
        .join('\n\n'),
      ...(kind === 'approval' && step === 0 && index === 3 ? { attachment: ATTACHMENT } : {}),
    })
    ids.push(id)
    previous = { by: from, text, atMs }
    return { raw, receivedAtMs: atMs, labels: labelsOf({ team, by, atMs, starred: kind === 'blocked' && step === 0 }) }
  })
}

function labelsOf({ team, by, atMs, starred }: { team: Team; by: Role; atMs: number; starred: boolean }): string[] {
  if (by === 'ana') return ['SENT', team.label]
  return [
    'INBOX',
    team.label,
    ...(starred ? ['IMPORTANT', 'STARRED'] : []),
    ...(atMs >= UNREAD_FROM_MS ? ['UNREAD'] : []),
  ]
}

function personOf(team: Team, role: Role): string {
  return role === 'ana' ? ANA : team.people[role]
}

function greeting(by: Role, pick: (count: number) => number): string {
  return by === 'ana' ? '' : (['Hello Ana,', 'Hi all,', 'Good morning,', ''][pick(4)] ?? '')
}

function signature(person: string): string {
  return person.split(' ', 1)[0] ?? ''
}

function quote(previous: { by: string; text: string; atMs: number }, wanted: boolean): string {
  return wanted ? `On ${dayName(previous.atMs)}, ${previous.by.replace(/ <.*/, '')} wrote:\n> ${previous.text}` : ''
}

function fill(template: string, words: Record<string, string>): string {
  const text = template.replace(/\{(\w+)\}/g, (_, name: string) => ownOf(words, name) ?? '')
  // Capitalizes a word inserted at the start of a sentence.
  return text.replace(/(^|[.?!] )(\p{Ll})/gu, (_, before: string, letter: string) => before + letter.toUpperCase())
}

function messageId(seed: string, from: string): string {
  const domain = /@([\w.]+)/.exec(from)?.[1] ?? 'example.com'
  return `<${createHash('sha256').update(seed).digest('hex').slice(0, 20)}@${domain}>`
}

function inOfficeHours(ms: number): number {
  const date = new Date(ms)
  const hour = date.getUTCHours()
  if (hour >= 19 || hour < 7) return inOfficeHours(ms + 3 * HOUR_MS)
  return date.getUTCDay() % 6 === 0 ? inOfficeHours(ms + DAY_MS) : ms
}

function dayName(ms: number): string {
  return new Date(ms).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' })
}

// Pseudo-random choices, the same for the same seed: `pick(n)` is an integer from 0 to n - 1.
function picker(seed: string): (count: number) => number {
  let draws = 0
  return count => {
    draws += 1
    return createHash('sha256').update(`${seed} ${draws}`).digest().readUInt32BE() % count
  }
}
