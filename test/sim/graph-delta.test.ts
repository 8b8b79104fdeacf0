import t from 'tap'
import { ADDRESS, mailboxOf } from './client.ts'
import { graphConnected, IMMUTABLE, type Item, pagesOf } from './graph-client.ts'

const INBOX = 'me/mailFolders/inbox/messages/delta'
const DELTA = `${INBOX}?$select=subject,isRead,receivedDateTime`

/** Applies items to a client's knowledge of a folder. */
function applied(known: Map<string, string>, items: readonly Item[]): Map<string, string> {
  for (const item of items) {
    if (item['@removed']) known.delete(item.id)
    else known.set(item.id, `${item.isRead}`)
  }
  return known
}

const mail = (subject: string) => `From: bo@example.org\r\nSubject: ${subject}\r\n\r\nText.\r\n`

t.test('the first round lists newest first, ten items a page by default', async t => {
  const { ask, all } = await graphConnected(t, mailboxOf(25))
  const first = await ask(DELTA)
  t.equal(first.body.value.length, 10)
  t.equal(first.headers.get('preference-applied'), null)
  t.match(first.body['@odata.nextLink'], /\/v1\.0\/me\/mailfolders\('[^']+'\)\/messages\/delta\?\$skiptoken=/)
  const sized = await ask(DELTA, { prefer: 'odata.maxpagesize=7, IdType="ImmutableId"' })
  t.equal(sized.body.value.length, 7)
  t.equal(sized.headers.get('preference-applied'), 'IdType="ImmutableId", odata.maxpagesize=7')
  const { items, sizes, deltaLink } = await all(DELTA, 'odata.maxpagesize=7')
  t.same(sizes, [7, 7, 7, 4])
  t.match(deltaLink, /\$deltatoken=/)
  t.equal(new Set(items.map(({ id }) => id)).size, 25)
  t.same(
    items.map(({ subject }) => subject),
    Array.from({ length: 25 }, (_, at) => `Mail ${24 - at}`),
  )
  t.same(Object.keys(items[0] ?? {}).sort(), [
    '@odata.etag',
    '@odata.type',
    'id',
    'isRead',
    'receivedDateTime',
    'subject',
  ])
})

t.test('a later round has every kind of change', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(10))
  const { items, deltaLink } = await all(DELTA, IMMUTABLE)
  const ids = items.map(({ id }) => id)
  const quiet = await all(deltaLink, IMMUTABLE)
  t.same(quiet.items, [])
  const box = sim.mailbox(ADDRESS)
  const [a = '', b = '', c = '', d = ''] = ids
  const { id: fresh } = sim.deliver(ADDRESS, mail('fresh'))
  box.mark(a, { isRead: false })
  box.mark(b, { isRead: false })
  box.mark(b, { flagged: true })
  box.move('archive', c)
  box.delete(d)
  const { body } = await ask(deltaLink, { prefer: IMMUTABLE })
  const plain = body.value.map(({ '@odata.etag': _, receivedDateTime: __, ...rest }) => rest)
  t.same(plain, [
    { '@odata.type': '#microsoft.graph.message', id: fresh, subject: 'fresh', isRead: false },
    { '@odata.type': '#microsoft.graph.message', id: a, isRead: false },
    { '@odata.type': '#microsoft.graph.message', id: b, subject: 'Mail 8', isRead: false },
    { '@odata.type': '#microsoft.graph.message', id: c, '@removed': { reason: 'changed' } },
    { '@odata.type': '#microsoft.graph.message', id: d, '@removed': { reason: 'deleted' } },
  ])
  t.same((await all(body['@odata.deltaLink'] ?? '', IMMUTABLE)).items, [], 'each is reported once')
  const archive = await all('me/mailFolders/archive/messages/delta?$select=isRead', IMMUTABLE)
  t.same(
    archive.items.map(({ id }) => id),
    [c],
  )
})

t.test('a move changes the usual id and keeps the immutable one', async t => {
  const { sim, all } = await graphConnected(t, mailboxOf(3))
  const usual = await all(DELTA)
  const immutable = await all(DELTA, IMMUTABLE)
  const id = immutable.items[0]?.id ?? ''
  t.not(usual.items[0]?.id, id)
  const box = sim.mailbox(ADDRESS)
  box.move('archive', id)
  box.move('inbox', id)
  box.mark(id, { flagged: true })
  t.not(box.usualId(id), usual.items[0]?.id)
  t.same(
    (await all(immutable.deltaLink, IMMUTABLE)).items.map(item => [item.id, '@removed' in item]),
    [[id, false]],
  )
  t.same(
    (await all(usual.deltaLink)).items.map(item => [item.id, '@removed' in item]),
    [
      [usual.items[0]?.id, true],
      [box.usualId(id), false],
    ],
  )
})

t.test('a folder that changes between pages converges in the next round', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(12))
  const box = sim.mailbox(ADDRESS)
  const prefer = `odata.maxpagesize=5,${IMMUTABLE}`
  const known = new Map<string, string>()
  const first = await ask(DELTA, { prefer })
  applied(known, first.body.value)
  const [, seen = '', alsoSeen = '', , , , unseen = '', other = ''] = box.ids()
  box.delete(seen, alsoSeen)
  const waiting = box.ids().slice(3)
  box.delete(unseen)
  box.mark(other, { isRead: false })
  sim.deliver(ADDRESS, mail('between'))
  const rest = await pagesOf(ask, first.body['@odata.nextLink'] ?? '', prefer)
  t.same(
    rest.items.map(({ id }) => id),
    waiting.filter(id => id !== unseen),
    'nothing is skipped',
  )
  applied(known, rest.items)
  const { items, deltaLink } = await all(rest.deltaLink, prefer)
  applied(known, items)
  t.same([...known.keys()].sort(), box.ids().sort())
  t.equal(known.get(other), 'false')

  for (const id of box.ids()) box.mark(id, { flagged: true })
  const later = await ask(deltaLink, { prefer })
  t.equal(later.body.value.length, 5)
  const [gone = ''] = later.body.value.map(({ id }) => id)
  box.delete(gone)
  const after = await pagesOf(ask, later.body['@odata.nextLink'] ?? '', prefer)
  applied(known, later.body.value)
  applied(known, after.items)
  applied(known, (await all(after.deltaLink, prefer)).items)
  t.same([...known.keys()].sort(), box.ids().sort())
})

t.test('a filter follows only matches, and at most 5,000 messages', async t => {
  const { sim, all } = await graphConnected(t, mailboxOf(5100))
  const prefer = `odata.maxpagesize=1000,${IMMUTABLE}`
  const since = `${DELTA}&$filter=receivedDateTime ge 2026-09-02T00:00:00Z`
  const { items, deltaLink } = await all(since, prefer)
  t.equal(items.length, 5000)
  t.ok(items.every(({ receivedDateTime }) => String(receivedDateTime) >= '2026-09-02'))
  const box = sim.mailbox(ADDRESS)
  const oldest = box.ids().at(-1) ?? ''
  box.mark(oldest, { flagged: true })
  box.delete(oldest)
  sim.deliver(ADDRESS, mail('new'), { receivedAt: Date.UTC(2026, 9, 1) })
  t.same(
    (await all(deltaLink, prefer)).items.map(({ subject }) => subject),
    ['new'],
  )
})

t.test('an old token is a 410, an invalid one a 400', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(3))
  const inbox = await all(DELTA)
  const archive = await all('me/mailFolders/archive/messages/delta')
  const swapped = archive.deltaLink.replace(/mailfolders\('[^']+'\)/, "mailfolders('inbox')")
  t.equal((await ask(swapped)).status, 410, 'a token belongs to one folder')
  sim.mailbox(ADDRESS).expireDelta('inbox')
  const gone = await ask(inbox.deltaLink)
  t.equal(gone.status, 410)
  t.equal(gone.body.error.code, 'syncStateNotFound')
  t.equal((await ask(archive.deltaLink)).status, 200)
  sim.mailbox(ADDRESS).expireDelta()
  t.equal((await ask(archive.deltaLink)).status, 410)
  t.equal((await ask(DELTA)).status, 200, 'a new round starts')
  const made = await ask(`${INBOX}?$deltatoken=abc`)
  t.equal(made.status, 400)
  t.equal(made.body.error.code, 'ErrorInvalidUrlQuery')
})

t.test('unsupported parts of a delta are refused', async t => {
  const { ask } = await graphConnected(t, mailboxOf(1))
  for (const query of [
    '$top=5',
    '$expand=attachments',
    '$search=x',
    '$filter=isRead eq true',
    '$orderby=receivedDateTime asc',
    '$select=nothing',
  ])
    t.equal((await ask(`${INBOX}?${query}`)).status, 400, query)
})

t.test('folders have a delta of their own', async t => {
  const { sim, all } = await graphConnected(t, mailboxOf(3))
  const path = 'me/mailFolders/delta?$select=displayName,parentFolderId,totalItemCount'
  const { items, deltaLink, sizes } = await all(path, 'odata.maxpagesize=3')
  t.same(sizes, [3, 3, 2])
  t.same(
    items.map(({ displayName, totalItemCount }) => [displayName, totalItemCount]),
    [
      ['Inbox', 3],
      ...['Drafts', 'Sent Items', 'Deleted Items', 'Junk Email', 'Archive', 'Outbox', 'Conversation History'].map(
        name => [name, 0],
      ),
    ],
  )
  const box = sim.mailbox(ADDRESS)
  const rome = box.createFolder('Projects/Rome')
  box.renameFolder('Projects/Rome', 'Roma')
  box.createFolder('Passing')
  const second = await all(deltaLink, 'odata.maxpagesize=2')
  t.same(
    second.items.map(({ displayName }) => displayName),
    ['Projects', 'Roma', 'Passing'],
  )
  t.equal(second.items[1]?.id, rome)
  box.moveFolder(rome, 'archive')
  box.deleteFolder('Passing')
  const third = await all(second.deltaLink)
  t.same(
    third.items.map(item => [item.parentFolderId, item['@removed']]),
    [
      [box.folderId('archive'), undefined],
      [undefined, { reason: 'deleted' }],
    ],
  )
  t.same((await all(third.deltaLink)).items, [])
  for (const [folder, name] of [
    ['Projects', 'Plans'],
    [rome, 'Rome'],
    ['Plans', 'Projects'],
  ] as const)
    box.renameFolder(folder, name)
  const renamed = await all(third.deltaLink, 'odata.maxpagesize=1')
  t.same(
    renamed.items.map(({ displayName }) => displayName),
    ['Rome', 'Projects'],
    'once each, the latest change last',
  )
  sim.quirks.countChanges = true
  sim.deliver(ADDRESS, mail('counted'))
  const counted = await all(renamed.deltaLink)
  t.same(
    counted.items.map(({ displayName, totalItemCount }) => [displayName, totalItemCount]),
    [['Inbox', 4]],
  )
  box.move(box.createFolder('Late'), ...box.ids().slice(0, 1))
  const moved = await all(counted.deltaLink, 'odata.maxpagesize=1')
  t.same(
    moved.items.map(({ displayName }) => displayName),
    ['Inbox', 'Late'],
    'both folders of a move, though a page ends between them',
  )
})

t.test('quirks of deltas are valid', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(9))
  const { items, deltaLink } = await all(DELTA, IMMUTABLE)
  const [a = '', b = ''] = items.map(({ id }) => id)
  const box = sim.mailbox(ADDRESS)

  sim.quirks.emptyPages = true
  const empty = await ask(DELTA)
  t.same(empty.body.value, [])
  t.ok(empty.body['@odata.nextLink'])
  const { sizes } = await all(DELTA, 'odata.maxpagesize=4')
  t.same(sizes, [0, 4, 0, 4, 0, 1])
  sim.quirks.emptyPages = false

  sim.quirks.repeats = 1
  t.equal((await all(DELTA)).items.length, 18)
  sim.quirks.repeats = 0
  sim.quirks.shuffled = true
  const shuffled = (await all(DELTA, IMMUTABLE)).items.map(({ id }) => id)
  t.not(shuffled.join(), items.map(({ id }) => id).join())
  t.same(shuffled.sort(), items.map(({ id }) => id).sort())
  sim.quirks.shuffled = false

  Object.assign(sim.quirks, { partialReads: false, stringFlags: true, movesAreDeletions: true })
  box.mark(a, { isRead: false })
  box.move('archive', b)
  const [read, moved] = (await all(deltaLink, IMMUTABLE)).items
  t.match(read, { id: a, subject: 'Mail 8', isRead: 'false' })
  t.same(moved?.['@removed'], { reason: 'deleted' })
})

t.test('a lagging change appears in deltas after its delay', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, all } = await graphConnected(t, mailboxOf(3), { now: () => nowMs })
  const { deltaLink } = await all(DELTA)
  sim.quirks.deltaLagMs = 5000
  sim.deliver(ADDRESS, mail('early'))
  nowMs += 3000
  sim.deliver(ADDRESS, mail('late'))
  const subjects = async (link: string) => {
    const page = await all(link)
    return { link: page.deltaLink, subjects: page.items.map(({ subject }) => subject) }
  }
  const none = await subjects(deltaLink)
  t.same(none.subjects, [])
  nowMs += 2000
  const one = await subjects(none.link)
  t.same(one.subjects, ['early'])
  nowMs += 3000
  t.same((await subjects(one.link)).subjects, ['late'])
})

t.test('a restarted simulator knows tokens only from before the first change', async t => {
  const before = await graphConnected(t, mailboxOf(3))
  const after = await graphConnected(t, mailboxOf(3))
  const path = (link: string) => link.replace(before.sim.url, after.sim.url)
  const { deltaLink: unchanged } = await before.all(DELTA)
  before.sim.deliver(ADDRESS, mail('one'))
  const { deltaLink: changed } = await before.all(unchanged)
  after.sim.deliver(ADDRESS, mail('another'))
  t.equal((await after.ask(path(changed))).status, 410)
  t.same(
    (await after.all(path(unchanged))).items.map(({ subject }) => subject),
    ['another'],
  )
})
