import type { MailboxId } from '../../shared/mailbox.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import type { Conversations } from './conversations.ts'
import { openingMailboxes } from './sizes.ts'

const BURST = { chance: 0.06, mails: 30 }
// A newsletter: many mailboxes get mail at once.
const WAVE = { chance: 0.04, share: 0.7, mails: 3 }
const PAUSE_MS = { least: 30, most: 220 }

/** The end of activity in mailboxes, and a callback for each changed mailbox. */
export interface Until {
  signal: AbortSignal
  pause: (ms: number) => Promise<void>
  onChange: (mailbox: MailboxId, historyId?: string) => Promise<void>
}

/** Gmail mailboxes with mail that keep receiving more. */
export interface GmailActivity {
  mailboxes: readonly SimMailbox[]
  /** Delivers replies and new threads until aborted: singly, sometimes a burst to one mailbox, sometimes a few to most mailboxes at once. */
  deliver(sim: GmailSimulator, until: Until): Promise<void>
}

/** Creates `count` mailboxes; `random` determines the deliveries. */
export function createGmailActivity(count: number, random: () => number, conversations: Conversations): GmailActivity {
  const mailboxes = openingMailboxes('gmail', count, conversations)
  const any = () => mailboxes[Math.floor(random() * mailboxes.length)]?.address ?? ''

  // The next recipients, and the number of mails for each.
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
            const { raw, labels } = conversations.next(address)
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
