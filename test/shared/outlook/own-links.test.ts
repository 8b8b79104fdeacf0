import t from 'tap'
import type { Call } from '../../../shared/mailbox.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { ownLinks } from '../../../shared/outlook/own-links.ts'
import type { Links } from '../../../shared/provider/links.ts'
import type { GraphSimulator } from '../../../sim/graph/simulator.ts'
import { startGraph } from '../../../sim/graph.ts'
import { heldLinks } from '../../support/links.ts'
import { testMail, testMailbox } from '../../support/mail.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'

const ADDRESS = 'ana@example.com'
const HERE = 'https://graph.example.com'
const call: Call = { signal: new AbortController().signal, meter: () => undefined }

t.test('links of another Graph count as lost', async t => {
  const held = heldLinks()
  const links = ownLinks(held, HERE)
  const texts = [
    { link: `${HERE}/v1.0/me/delta?a` },
    { link: '/me/delta' },
    { folder: 'a' },
    { link: 'http://127.0.0.1:40001/v1.0/me/delta' },
    { link: 'http://graph.example.com/v1.0/me/delta' },
    { link: 'https://graph.example.com.evil.example/v1.0' },
  ].map(one => JSON.stringify(one))
  const names = await held.keep([...texts, '{'])
  t.same([...(await links.read(names)).values()], [...texts.slice(0, 3), '{'])
  t.equal(await links.folders(), undefined)
  for (const [place, text] of texts.entries()) {
    await held.keepFolders(text)
    t.equal(await links.folders(), place < 3 ? text : undefined, text)
  }
})

t.test('a simulator on a new port is listed again, with known and new mail', async t => {
  const links = heldLinks()
  const before = await startOne(t)
  const cursor = await listed(mailboxAt(before, links), 'pinned:')
  await before.close()
  const after = await startOne(t)
  const { id } = after.deliver(ADDRESS, testMail(12, 3))
  const mailbox = mailboxAt(after, links)
  const again = await listed(mailbox, cursor.cursor)
  t.ok(again.ids.includes(id))
  t.same(again.ids.filter(one => one !== id).sort(), cursor.ids.sort())
  t.same((await listed(mailbox, again.cursor)).ids, [], 'nothing more follows')
})

async function startOne(t: { teardown(work: () => unknown): void }): Promise<GraphSimulator> {
  const sim = await startGraph({ profile: 'instant', mailboxes: [{ ...testMailbox(ADDRESS, 12, 3) }] })
  t.teardown(() => sim.close())
  return sim
}

function mailboxAt(sim: GraphSimulator, links: Links) {
  const token = sim.tokens.access({ address: ADDRESS, scopes: ['Mail.Read', 'User.Read'] })
  return outlookMailbox({
    http,
    address: ADDRESS,
    tokens: { get: async () => token, refused: async () => false },
    links,
    subscription: heldSubscription(),
    rootUrl: `${sim.url}/v1.0`,
    initialSync: { kind: 'all' },
    pageSize: 5,
    parallel: 4,
    batchSize: 20,
  })
}

/** Lists from a cursor to the end and returns the new cursor and the listed ids. */
async function listed(mailbox: ReturnType<typeof mailboxAt>, since: string) {
  const ids: string[] = []
  for (let page: string | undefined; ; ) {
    const changes = await mailbox.changes(since, page, call)
    ids.push(...changes.ids.map(({ id }) => id))
    if (changes.next === undefined) return { ids, cursor: changes.cursor ?? since }
    page = changes.next
  }
}
