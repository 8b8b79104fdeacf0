import { composeMail } from '../../sim/compose.ts'
import { METHODS } from '../../sim/gmail/methods.ts'
import { memoryMailbox, type SimMailbox } from '../../sim/mailbox.ts'

const MAILS_PER_THREAD = 5
const MINUTE_MS = 60_000
const TEXT = 'The deck joints need another look before Friday; the drawings are where they were. '
const TEXT_REPEATS = 4

/** Returns mails for one mailbox in delivery order: every other one belongs to a thread of five, until half of them do; the rest are single. */
export function mailsFor(address: string, name: string, count: number, fromMs = Date.now()): string[] {
  return planMails(count).map(({ answers }, index) =>
    composeMail({
      from: 'Eve <eve@example.net>',
      to: [address],
      subject: answers.length === 0 ? `Topic ${name} ${index}` : `Re: Topic ${name} ${answers[0]}`,
      atMs: fromMs + index,
      id: idOf(name, index),
      references: answers.map(one => idOf(name, one)),
      text: TEXT.repeat(TEXT_REPEATS),
    }),
  )
}

/** Creates a simulated mailbox with `count` such mails, one per minute until now. */
export function filledMailbox(address: string, count: number): SimMailbox {
  const fromMs = Date.now() - count * MINUTE_MS
  const mails = mailsFor(address, 'old', count, fromMs)
  return memoryMailbox(
    address,
    mails.map((raw, index) => ({ raw, receivedAtMs: fromMs + index * MINUTE_MS, labels: ['INBOX'] })),
  )
}

/** Returns the minimum cost of reading `count` new mails: the requests after the listing, and the quota units in total. */
export function leastCost(count: number): { requests: number; units: number } {
  const sizes = new Map<number, number>()
  for (const { thread } of planMails(count)) sizes.set(thread, (sizes.get(thread) ?? 0) + 1)
  const gets = [...sizes.values()].map(size => unitsOf(size > 1 ? 'threads.get' : 'messages.get'))
  return { requests: gets.length, units: gets.reduce((sum, units) => sum + units, unitsOf('history.list')) }
}

/** Plans the thread of each mail, by the position of its first mail, and the positions of the mails it answers, oldest first. */
function planMails(count: number): { thread: number; answers: readonly number[] }[] {
  const threaded = Math.floor(count / 2)
  const threads = Math.ceil(threaded / MAILS_PER_THREAD)
  return Array.from({ length: count }, (_, index) => {
    const turn = index / 2
    if (!Number.isInteger(turn) || turn >= threaded) return { thread: index, answers: [] }
    const first = turn % threads
    const before = Math.floor(turn / threads)
    return { thread: first * 2, answers: Array.from({ length: before }, (_, round) => (first + round * threads) * 2) }
  })
}

function idOf(name: string, index: number): string {
  return `<${name}-${index}@example.net>`
}

function unitsOf(name: string): number {
  return METHODS.find(method => method.name === name)?.units['2026'] ?? 0
}
