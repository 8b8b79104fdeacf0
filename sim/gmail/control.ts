import type { FastifyInstance } from 'fastify'
import type { NewMail } from '../mailbox.ts'
import type { Account, Entry } from './account.ts'
import type { World } from './api.ts'
import type { CallCounts } from './calls.ts'
import { invalid, notFound } from './error.ts'
import { type Faults, readFaults } from './faults.ts'

/** What a mailbox holds: its address and how many messages. */
export interface MailboxSize {
  address: string
  messages: number
}

/** Adds what other processes may ask of the simulator itself, under `/control/`; nothing here is delayed or counted. */
export function addControl(
  app: FastifyInstance,
  world: World,
  { readCalls, faults }: { readCalls: () => CallCounts; faults: Faults },
): void {
  app.addContentTypeParser('message/rfc822', { parseAs: 'buffer' }, async (_: unknown, body: Buffer) => body)
  app.get('/control/mailboxes', async () => sizes(world))
  app.get('/control/calls', async () => readCalls())
  app.get('/control/faults', async () => ({ ...faults.read(), counts: faults.counts() }))
  app.put('/control/faults', async request => {
    faults.set(readFaults(request.body))
    return { ...faults.read(), counts: faults.counts() }
  })
  app.post('/control/mailboxes/:address/messages', async request => {
    const { address = '' } = request.params as Record<string, string | undefined>
    const account = world.accounts.get(address.toLowerCase())
    if (!account) throw notFound()
    if (!Buffer.isBuffer(request.body)) throw invalid('Send a mail as message/rfc822.')
    return deliverTo(account, { raw: request.body }, world.now())
  })
}

/** What each mailbox holds now. */
export function sizes(world: World): MailboxSize[] {
  return [...world.accounts.values()].map(account => ({ address: account.address, messages: account.entries().length }))
}

/** Delivers a mail, received now and to the inbox, unread, where nothing else is said; answers with the ids it got. */
export function deliverTo(
  account: Account,
  mail: NewMail,
  nowMs: number,
): Pick<Entry, 'id' | 'threadId'> & { historyId: string } {
  const { id, threadId, historyId } = account.deliver({
    raw: mail.raw,
    labels: mail.labels ?? ['INBOX', 'UNREAD'],
    receivedAtMs: mail.receivedAtMs ?? nowMs,
  })
  return { id, threadId, historyId: String(historyId) }
}
