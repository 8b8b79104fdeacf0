import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, connected, mailboxOf, plainMail } from './client.ts'

t.test('the same mailbox loaded twice has the same ids, threads and history ids', async t => {
  const read = async () => {
    const { get } = await connected(t, mailboxOf(30))
    return [(await get('messages')).body, (await get('profile')).body, (await get('history?startHistoryId=1000')).body]
  }
  t.same(await read(), await read())
})

t.test('a mailbox reloaded with more mail continues its history', async t => {
  const before = await connected(t, mailboxOf(10))
  const { historyId } = (await before.get('profile')).body
  const old = (await before.get('messages')).body.messages
  const after = await connected(t, mailboxOf(14))
  const { history } = (await after.get(`history?startHistoryId=${historyId}`)).body
  t.equal(history.length, 4)
  t.same((await after.get('messages')).body.messages.slice(4), old)
})

t.test('history starts after its id, oldest first, in pages', async t => {
  const { get } = await connected(t, mailboxOf(7))
  const all = (await get('history?startHistoryId=1000')).body.history.map(({ id }) => id)
  const start = all[1]
  const first = (await get(`history?startHistoryId=${start}&maxResults=3`)).body
  t.same(
    first.history.map(({ id }) => id),
    all.slice(2, 5),
  )
  t.equal(first.historyId, all[6])
  t.ok(
    all.every((id, index) => index === 0 || Number(id) > Number(all[index - 1]) + 1),
    'with gaps',
  )
  const record = first.history[0]
  t.same(record?.messages, [{ id: record?.messages[0]?.id, threadId: record?.messages[0]?.threadId }])
  t.same(record?.messagesAdded, [{ message: { ...record?.messages[0], labelIds: ['INBOX'] } }])
  const last = (await get(`history?startHistoryId=${start}&maxResults=3&pageToken=${first.nextPageToken}`)).body
  t.same(
    last.history.map(({ id }) => id),
    all.slice(5),
  )
  t.equal(last.nextPageToken, undefined)
})

t.test('history can be filtered by label and by kind of change', async t => {
  const { get } = await connected(t, mailboxOf(11))
  t.equal((await get('history?startHistoryId=1000&labelId=UNREAD')).body.history.length, 3)
  t.equal((await get('history?startHistoryId=1000&historyTypes=messageAdded')).body.history.length, 11)
  t.same(Object.keys((await get('history?startHistoryId=1000&historyTypes=labelAdded')).body), ['historyId'])
})

t.test('delivered mail enters history at once, with its label and thread', async t => {
  const { sim, get } = await connected(t, mailboxOf(3))
  const before = sim.mailbox(ADDRESS).historyId()
  const delivered = sim.deliver(ADDRESS, 'References: <0@example.org>\n\nMore', {
    labels: ['INBOX', 'Team A'],
    receivedAt: 1_790_000_000_000,
  })
  const { history, historyId } = (await get(`history?startHistoryId=${before}`)).body
  t.equal(historyId, delivered.historyId)
  t.same(history[0]?.messagesAdded[0]?.message, {
    id: delivered.id,
    threadId: delivered.threadId,
    labelIds: ['INBOX', 'Label_1'],
  })
  t.equal((await get(`threads/${delivered.threadId}`)).body.messages.length, 2)
  t.equal((await get(`messages/${delivered.id}`)).body.internalDate, '1790000000000')
})

t.test('an expired or future history id is a 404', async t => {
  const { sim, get } = await connected(t, mailboxOf(3))
  const { historyId } = (await get('profile')).body
  const gone = { status: 404, body: { error: { code: 404, status: 'NOT_FOUND' } } }
  t.match(await get('history?startHistoryId=5'), gone)
  t.match(await get('history?startHistoryId=99999'), gone)
  sim.expireHistory(ADDRESS)
  t.match(await get(`history?startHistoryId=${historyId}`), gone)
  const pinned = (await get('profile')).body.historyId
  sim.deliver(ADDRESS, plainMail(9).raw)
  t.equal((await get(`history?startHistoryId=${pinned}`)).body.history.length, 1)
})

t.test('mail is threaded by references in any order, with loops and duplicates', async t => {
  const mail = (id: string, headers: string) => ({ raw: `Message-ID: <${id}>\n${headers}\n\n${id}` })
  const { get } = await connected(
    t,
    memoryMailbox(ADDRESS, [
      mail('a', 'Subject: first'),
      mail('b', 'Subject: alone'),
      mail('c', 'In-Reply-To: <missing>'),
      mail('d', 'References: <missing>\n <a>'),
      mail('loop1', 'In-Reply-To: <loop2>'),
      mail('loop2', 'In-Reply-To: <loop1>\nReferences: <loop2>'),
      mail('b', 'Subject: the same id again'),
      { raw: 'X-GM-THRID: 77\nMessage-ID: <t1>\nReferences: <a>\n\nkeeps its own thread' },
      { raw: 'X-GM-THRID: 77\n\nno reply headers' },
      mail('e', 'In-Reply-To: <t1>'),
    ]),
  )
  const { history } = (await get('history?startHistoryId=1000')).body
  const threads = history.map(record => record?.messages[0]?.threadId)
  const ids = history.map(record => record?.messages[0]?.id)
  t.same(
    threads,
    [0, 1, 0, 0, 4, 4, 1, 7, 7, 7].map(index => ids[index]),
  )
})

t.test('a mail that refers to two threads joins the one it answers', async t => {
  const { sim, get } = await connected(t, mailboxOf(2))
  const [newer, older] = (await get('messages')).body.messages
  const delivered = sim.deliver(ADDRESS, 'In-Reply-To: <1@example.org>\nReferences: <0@example.org>\n\nBoth')
  t.equal(delivered.threadId, newer?.threadId)
  t.equal((await get(`threads/${older?.threadId}`)).body.messages.length, 1)
})
