import type { MailboxId } from '../../shared/mailbox.ts'
import type { GmailSimulator } from '../../sim/gmail.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import type { Talks } from './talks.ts'

/** Mailboxes and what they hold when the chaos begins; the first is more than one listing page. */
const SIZES: Record<string, number> = {
  'ana@example.com': 640,
  'bo@example.com': 260,
  'cleo@example.com': 90,
  'dan@example.com': 0,
}
const BURST = { chance: 0.06, mails: 30 }
const PAUSE_MS = { least: 30, most: 220 }

/** Until when something goes on in mailboxes, and whom to tell of each mailbox that it went on in. */
export interface Until {
  signal: AbortSignal
  pause: (ms: number) => Promise<void>
  onChange: (mailbox: MailboxId, historyId?: string) => Promise<void>
}

/** Mailboxes at Gmail that hold mail and keep getting more. */
export interface MailFlow {
  mailboxes: readonly SimMailbox[]
  /** Delivers replies and new threads, one by one and sometimes many at once, until aborted. */
  deliver(sim: GmailSimulator, until: Until): Promise<void>
}

/** The mailboxes; what is delivered, and where, follows from `random`. */
export function createMailFlow(random: () => number, talks: Talks): MailFlow {
  const mailboxes = Object.entries(SIZES).map(([address, size]) => talks.mailbox(address, size))
  return {
    mailboxes,
    async deliver(sim, { signal, pause, onChange }) {
      while (!signal.aborted) {
        const { address = '' } = mailboxes[Math.floor(random() * mailboxes.length)] ?? {}
        let historyId = ''
        for (let left = random() < BURST.chance ? BURST.mails : 1; left > 0; left--) {
          const { raw, labels } = talks.next(address)
          historyId = sim.deliver(address, raw, { labels: labels ?? [] }).historyId
        }
        await onChange(`gmail:${address}`, historyId)
        await pause(PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least))
      }
    },
  }
}
