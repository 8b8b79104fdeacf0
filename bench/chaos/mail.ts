import { composeMail } from '../../sim/compose.ts'
import type { GmailSimulator } from '../../sim/gmail.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from '../../sim/mailbox.ts'

/** Mailboxes and what they hold when the chaos begins; the first is more than one listing page. */
const SIZES: Record<string, number> = {
  'ana@example.com': 640,
  'bo@example.com': 260,
  'cleo@example.com': 90,
  'dan@example.com': 0,
}
const MAILS_A_THREAD = 4
const REPLIES = 0.6
const BURST = { chance: 0.06, mails: 30 }
const PAUSE_MS = { least: 30, most: 220 }
const HOUR_MS = 3_600_000

/** A conversation that goes on: its subject and the Message-IDs so far. */
interface Talk {
  subject: string
  ids: string[]
}

/** Mailboxes that hold mail and keep getting more. */
export interface MailFlow {
  mailboxes: readonly SimMailbox[]
  addresses: readonly string[]
  /** Delivers replies and new threads, one by one and sometimes many at once, until aborted; tells of each address that got some. */
  deliver(
    sim: GmailSimulator,
    onMail: (address: string, historyId: string) => Promise<void>,
    until: { signal: AbortSignal; pause: (ms: number) => Promise<void> },
  ): Promise<number>
}

/** The mailboxes; what is delivered, and where, follows from `random`. */
export function createMailFlow(random: () => number, nowMs: number): MailFlow {
  const talks = new Map<string, Talk[]>()
  let written = 0

  const write = (address: string, index: number, atMs: number): NewMail => {
    const held = talks.get(address) ?? []
    talks.set(address, held)
    const talk = held[index] ?? { subject: `Topic ${held.length + 1}`, ids: [] }
    if (index >= held.length) held.push(talk)
    written += 1
    const id = `<chaos-${written}@example.net>`
    const raw = composeMail({
      from: 'Eve <eve@example.net>',
      to: [address],
      subject: talk.ids.length === 0 ? talk.subject : `Re: ${talk.subject}`,
      atMs,
      id,
      references: talk.ids.slice(-10),
      text: `Mail ${written}.`,
    })
    talk.ids.push(id)
    return { raw, receivedAtMs: atMs, labels: ['INBOX', 'UNREAD'] }
  }

  const mailboxes = Object.entries(SIZES).map(([address, size]) => {
    const threads = Math.ceil(size / MAILS_A_THREAD)
    const mails = Array.from({ length: size }, (_, index) =>
      write(address, index % threads, nowMs - (size - index) * HOUR_MS),
    )
    return memoryMailbox(address, mails)
  })
  const addresses = mailboxes.map(({ address }) => address)

  return {
    mailboxes,
    addresses,
    async deliver(sim, onMail, { signal, pause }) {
      let delivered = 0
      while (!signal.aborted) {
        const address = addresses[Math.floor(random() * addresses.length)] ?? ''
        let historyId = ''
        for (let left = random() < BURST.chance ? BURST.mails : 1; left > 0; left--) {
          const held = talks.get(address)?.length ?? 0
          const { raw, labels } = write(address, random() < REPLIES ? Math.floor(random() * held) : held, Date.now())
          historyId = sim.deliver(address, raw, { labels: labels ?? [] }).historyId
          delivered += 1
        }
        await onMail(address, historyId)
        await pause(PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least))
      }
      return delivered
    },
  }
}
