import type { GraphHandle } from '../../sim/graph/handle.ts'
import type { GraphSimulator } from '../../sim/graph/simulator.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import type { Conversations } from './conversations.ts'
import type { Until } from './gmail-activity.ts'
import { openingMailboxes } from './sizes.ts'

const READ = ['inbox', 'inbox', 'inbox', 'archive', 'sentitems', 'Projects/Rome', 'Projects/Oslo', 'Projects/Rome/Old']
const LEFT_OUT = ['deleteditems', 'junkemail', 'drafts']
const BURST = { chance: 0.05, mails: 20 }
const WAVE_CHANCE = 0.03
const PAUSE_MS = { least: 50, most: 400 }
// The share of messages that one action affects.
const SHARE = { move: 0.05, delete: 0.02, mark: 0.05 }

/** Outlook mailboxes in which mail and folders are created, moved, changed and deleted. */
export interface GraphActivity {
  mailboxes: readonly SimMailbox[]
  /** Creates the folders and distributes the first messages. */
  begin(sim: GraphSimulator): void
  /** Performs one action after the other until aborted, sometimes in all mailboxes at once. */
  go(sim: GraphSimulator, until: Until): Promise<void>
}

/** Creates `count` mailboxes; `random` determines the actions and their targets. */
export function createGraphActivity(count: number, random: () => number, conversations: Conversations): GraphActivity {
  const mailboxes = openingMailboxes('outlook', count, conversations)
  const one = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]
  const some = (at: GraphHandle, share: number) => at.ids().filter(() => random() < share)
  let made = 0

  const deliver = (sim: GraphSimulator, address: string, folder?: string) => {
    for (let left = random() < BURST.chance ? BURST.mails : 1; left > 0; left--)
      sim.deliver(address, conversations.next(address).raw, { folder })
  }
  const actions: readonly ((at: GraphHandle, sim: GraphSimulator, address: string) => void)[] = [
    (_, sim, address) => deliver(sim, address),
    (_, sim, address) => deliver(sim, address),
    (_, sim, address) => deliver(sim, address),
    (_, sim, address) => deliver(sim, address, one(READ)),
    at => at.move(one(READ) ?? '', ...some(at, SHARE.move)),
    at => at.move(one([...READ, ...LEFT_OUT]) ?? '', ...some(at, SHARE.move)),
    at => at.delete(...some(at, SHARE.delete)),
    at => some(at, SHARE.mark).forEach(id => void at.mark(id, { isRead: random() < 0.5 })),
    at => some(at, SHARE.mark).forEach(id => void at.mark(id, { flagged: random() < 0.5 })),
    at => some(at, SHARE.mark).forEach(id => void at.mark(id, { categories: [one(['Rome', 'Oslo']) ?? ''] })),
    at => at.move(at.createFolder(`Projects/New ${++made}`), ...some(at, SHARE.move)),
    at => at.renameFolder(at.createFolder('Projects/Oslo'), `Oslo ${++made}`),
    at => at.moveFolder(at.createFolder('Projects/Oslo'), one(['deleteditems', 'archive', 'inbox']) ?? ''),
    at => at.deleteFolder(at.createFolder('Projects/Rome')),
    // A client that polls folders never sees this one.
    at => {
      const brief = at.createFolder(`Projects/Brief ${++made}`)
      at.move(brief, ...some(at, SHARE.delete))
      at.deleteFolder(brief)
    },
  ]

  return {
    mailboxes,
    begin(sim) {
      for (const { address } of mailboxes) {
        const at = sim.mailbox(address)
        for (const folder of [...READ, ...LEFT_OUT]) at.move(folder, ...some(at, SHARE.move))
      }
      Object.assign(sim.quirks, {
        repeats: 0.1,
        shuffled: random() < 0.5,
        movesAreDeletions: random() < 0.5,
        countChanges: random() < 0.5,
        emptyPages: random() < 0.2,
      })
    },
    async go(sim, { signal, pause, onChange }) {
      while (!signal.aborted) {
        const { address: any = '' } = one(mailboxes) ?? {}
        const addresses = random() < WAVE_CHANCE ? mailboxes.map(({ address }) => address) : [any]
        for (const address of addresses) one(actions)?.(sim.mailbox(address), sim, address)
        await Promise.all(addresses.map(address => onChange(`outlook:${address}`)))
        await pause(PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least))
      }
    },
  }
}
