import t from 'tap'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { startGraph } from '../../../sim/graph.ts'
import { memoryMailbox } from '../../../sim/mailbox.ts'
import { htmlToText } from '../../support/html.ts'
import { heldLinks } from '../../support/links.ts'
import { numberedMail } from '../../support/mail.ts'
import { mailboxContract } from '../../support/mailbox-contract.ts'
import { startNotified } from '../../support/notified.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'

const ADDRESS = 'ana@example.com'
const notified = await startNotified()
t.teardown(() => notified.close())

for (const { pageSize, batchSize, folders, texts } of [
  { pageSize: 50, batchSize: 20, folders: ['inbox'] },
  { pageSize: 4, batchSize: 20, folders: ['inbox', 'archive'], texts: true },
  { pageSize: 3, batchSize: 1, folders: ['inbox', 'archive', 'Projects/Rome', 'Projects/Oslo', 'Projects/Rome/Old'] },
  { pageSize: 4, batchSize: 2, folders: ['inbox', 'archive', 'Projects/Rome'] },
]) {
  mailboxContract(
    t,
    `Outlook, ${folders.length} folders, pages of ${pageSize}, batches of ${batchSize}${texts ? ', with texts' : ''}`,
    async () => {
      const sim = await startGraph({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, [])] })
      const token = sim.tokens.access({ address: ADDRESS, scopes: ['Mail.Read', 'User.Read'] })
      let number = 0
      return {
        mailbox: outlookMailbox({
          http,
          address: ADDRESS,
          tokens: { get: async () => token, refused: async () => false },
          links: heldLinks(),
          subscription: heldSubscription(),
          notify: () => notified.notify,
          rootUrl: `${sim.url}/v1.0`,
          initialSync: { kind: 'all' },
          pageSize,
          parallel: 4,
          batchSize,
          ...(texts ? { htmlToText } : {}),
        }),
        texts: texts ?? false,
        deliver: async (count, threads = count) =>
          Array.from({ length: count }, (_, index) => {
            number += 1
            const raw = numberedMail(number, index < threads ? undefined : number - threads)
            const receivedAt = 1_790_000_000_000 + number * 1000
            return sim.deliver(ADDRESS, raw, { receivedAt, folder: folders[number % folders.length] }).id
          }),
        deliverMail: async raw => sim.deliver(ADDRESS, raw).id,
        remove: async id => sim.mailbox(ADDRESS).delete(id),
        relabel: async id => sim.mailbox(ADDRESS).mark(id, { flagged: true }),
        inFolders: folders.length > 1,
        unknown: `AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A${'A'.repeat(72)}AAAA=`,
        requests: () => sim.calls().total,
        close: () => sim.close(),
      }
    },
  )
}
