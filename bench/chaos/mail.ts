import type { MailboxId } from '../../shared/mailbox.ts'
import type { GmailSimulator } from '../../sim/gmail.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import { openingMailboxes } from './sizes.ts'
import type { Talks } from './talks.ts'

const BURST = { chance: 0.06, mails: 30 }
// A newsletter: many mailboxes get mail at once.
const WAVE = { chance: 0.04, share: 0.7, mails: 3 }
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
  /** Delivers replies and new threads until aborted: one by one, sometimes many to one mailbox, sometimes some to most mailboxes at once. */
  deliver(sim: GmailSimulator, until: Until): Promise<void>
}

/** So many mailboxes; what is delivered, and where, follows from `random`. */
export function createMailFlow(count: number, random: () => number, talks: Talks): MailFlow {
  const mailboxes = openingMailboxes('gmail', count, talks)
  const any = () => mailboxes[Math.floor(random() * mailboxes.length)]?.address ?? ''

  // Whom mail comes to next, and how much of it to each.
  const nextArrivals = (): [address: string, mails: number][] => {
    if (random() >= WAVE.chance) return [[any(), random() < BURST.chance ? BURST.mails : 1]]
    const some = mailboxes.filter(() => random() < WAVE.share)
    return some.map(({ address }) => [address, 1 + Math.floor(random() * WAVE.mails)])
  }

  return {
    mailboxes,
    async deliver(sim, { signal, pause, onChange }) {
      while (!signal.aborted) {
        const pushes = nextArrivals().map(([address, mails]) => {
          let historyId = ''
          for (let left = mails; left > 0; left--) {
            const { raw, labels } = talks.next(address)
            historyId = sim.deliver(address, raw, { labels: labels ?? [] }).historyId
          }
          return onChange(`gmail:${address}`, historyId)
        })
        await Promise.all(pushes)
        await pause(PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least))
      }
    },
  }
}
