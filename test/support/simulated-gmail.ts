import type { Test } from 'tap'
import { gmailMailbox } from '../../shared/gmail/mailbox.ts'
import type { Mailbox } from '../../shared/mailbox.ts'
import { defaultFields } from '../../shared/settings/gmail-fields.ts'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox, type SimMailbox } from '../../sim/mailbox.ts'
import { htmlToText } from './html.ts'
import { http } from './surroundings.ts'

type Options = Parameters<typeof gmailMailbox>[0]
type Simulator = Awaited<ReturnType<typeof startGmail>>

/** The owner of a simulated mailbox of raw mails. */
export const ADDRESS = 'ana@example.com'

/** Opens a simulated Gmail mailbox whose texts are read; the simulator closes when the test ends. Raw mails are given oldest first. */
export async function openSimulatedGmail(
  t: Test,
  mail: SimMailbox | readonly (string | Buffer)[],
  options: Partial<Options> = {},
): Promise<{ sim: Simulator; mailbox: Mailbox; address: string; mailboxWith: (more: Partial<Options>) => Mailbox }> {
  const source = 'address' in mail ? mail : memoryMailbox(ADDRESS, mail.map(received))
  const sim = await startGmail({ profile: 'instant', mailboxes: [source] })
  t.teardown(() => sim.close())
  const address = sim.mailboxes()[0]?.address ?? ''
  const mailboxWith = (more: Partial<Options>) =>
    gmailMailbox({
      http,
      address,
      account: { clientId: 'simulated', clientSecret: 'simulated', refreshToken: `simulated:${address}` },
      rootUrl: `${sim.url}/`,
      tokenUrl: `${sim.url}/token`,
      fields: defaultFields('text'),
      initialSync: { kind: 'all' },
      quota: '2026',
      pageSize: { live: 100, bulk: 500 },
      htmlToText,
      ...options,
      ...more,
    })
  return { sim, mailbox: mailboxWith({}), address, mailboxWith }
}

function received(raw: string | Buffer, index: number) {
  return { raw, receivedAtMs: 1_790_000_000_000 + index, labels: ['INBOX'] }
}
