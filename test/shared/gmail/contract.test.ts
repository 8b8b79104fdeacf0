import t from 'tap'
import { readInvites } from '../../../shared/calendar/invites.ts'
import { gmailMailbox } from '../../../shared/gmail/mailbox.ts'
import { defaultFields } from '../../../shared/settings/gmail-fields.ts'
import { demoMailbox } from '../../../sim/demo.ts'
import { startGmail } from '../../../sim/gmail.ts'
import { memoryMailbox } from '../../../sim/mailbox.ts'
import { htmlToText } from '../../support/html.ts'
import { numberedMail } from '../../support/mail.ts'
import { mailboxContract } from '../../support/mailbox-contract.ts'
import { http } from '../../support/surroundings.ts'
import { openCall } from './google.ts'

type Options = Parameters<typeof gmailMailbox>[0]
const ADDRESS = 'ana@example.com'
const FIELDS = 'id,threadId,labelIds,snippet,payload/headers,internalDate'

const mailboxAt = (url: string, pageSize = { live: 500, bulk: 500 }, more: Partial<Options> = {}) =>
  gmailMailbox({
    http,
    address: ADDRESS,
    account: { clientId: 'simulated', clientSecret: 'simulated', refreshToken: `simulated:${ADDRESS}` },
    rootUrl: `${url}/`,
    tokenUrl: `${url}/token`,
    fields: FIELDS,
    initialSync: { kind: 'all' },
    quota: '2026',
    pageSize,
    notify: { topic: 'projects/project/topics/gmail', labels: [] },
    ...more,
  })

for (const { pageSize, texts } of [
  { pageSize: { live: 500, bulk: 500 }, texts: false },
  { pageSize: { live: 5, bulk: 7 }, texts: false },
  { pageSize: { live: 500, bulk: 500 }, texts: true },
]) {
  mailboxContract(t, `Gmail, pages of ${pageSize.bulk}${texts ? ', with texts' : ''}`, async () => {
    const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, [])] })
    let number = 0
    return {
      mailbox: mailboxAt(sim.url, pageSize, texts ? { fields: defaultFields('text'), htmlToText, readInvites } : {}),
      texts,
      deliver: async (count, threads = count) =>
        Array.from({ length: count }, (_, index) => {
          number += 1
          const raw = numberedMail(number, index < threads ? undefined : number - threads)
          return sim.deliver(ADDRESS, raw, { receivedAt: 1_790_000_000_000 + number * 1000 }).id
        }),
      ...(texts ? { deliverMail: async (raw: string) => sim.deliver(ADDRESS, raw).id, isDetailed: true } : {}),
      remove: async id => void sim.mailbox(ADDRESS).delete(id),
      relabel: async (id, add, remove) => void sim.mailbox(ADDRESS).modify([id], { add, remove }),
      unknown: '18c0123456789abc',
      requests: () => sim.calls().total,
      close: () => sim.close(),
    }
  })
}

t.test('the demo mailbox is read completely, except spam, trash and drafts', async t => {
  const demo = demoMailbox()
  const everywhere = Array.from({ length: demo.size }, (_, index) => demo.message(index))
  const junk = ['SPAM', 'TRASH', 'DRAFT']
  const size = everywhere.filter(({ labels }) => !labels.some(label => junk.includes(label))).length
  const sim = await startGmail({ profile: 'instant', mailboxes: [demo] })
  t.teardown(() => sim.close())
  const mailbox = mailboxAt(sim.url)
  const call = openCall()
  const { address, cursor } = await mailbox.open(call)
  t.equal(address, ADDRESS)
  const page = await mailbox.changes(cursor, undefined, call)
  t.equal(page.ids.length, size)
  const messages = []
  for (let from = 0; from < page.ids.length; from += 100) {
    const wanted = page.ids.slice(from, from + 100)
    const answers = await mailbox.fetch(wanted, call)
    const outcomes = wanted.flatMap(({ id }) => answers.get(id) ?? [])
    messages.push(...outcomes.flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : [])))
  }
  t.equal(messages.length, size)
  for (const message of messages) {
    const complete =
      message.subject !== '' && message.from[0]?.address.includes('@') && message.date > 0 && message.snippet !== ''
    t.ok(complete, JSON.stringify(message).slice(0, 200), { diagnostic: !complete })
  }
  t.equal(call.metered.length, 2 + Math.ceil(size / 100))
})

t.test('fifty messages cost four calls with batches of twenty', async t => {
  const mails = Array.from({ length: 50 }, (_, number) => ({ raw: numberedMail(number) }))
  const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, mails)] })
  t.teardown(() => sim.close())
  const mailbox = mailboxAt(sim.url)
  const { cursor } = await mailbox.open(openCall())
  const call = openCall()
  const { ids } = await mailbox.changes(cursor, undefined, call)
  for (let from = 0; from < 50; from += 20) await mailbox.fetch(ids.slice(from, from + 20), call)
  t.same(call.metered, [
    ['list', 5],
    ['batch', 400],
    ['batch', 400],
    ['batch', 200],
  ])
})

t.test('an expired history asks for a reset, and the mailbox can be listed again', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, [{ raw: numberedMail(1) }])] })
  t.teardown(() => sim.close())
  const mailbox = mailboxAt(sim.url)
  const call = openCall()
  const { cursor } = await mailbox.open(call)
  const { cursor: synced = '' } = await mailbox.changes(cursor, undefined, call)
  sim.deliver(ADDRESS, numberedMail(2))
  sim.expireHistory(ADDRESS)
  t.same(await mailbox.changes(synced, undefined, call), { ids: [], gone: [], labels: [], reset: true })
  const recreated = await mailbox.changes((await mailbox.open(call)).cursor, undefined, call)
  t.equal(recreated.ids.length, 2)
})

t.test("another mailbox than the grant's is unauthorized", async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [] })
  t.teardown(() => sim.close())
  await t.rejects(mailboxAt(sim.url).open(openCall()), { name: 'MailError', message: /connect the mailbox again/ })
})
