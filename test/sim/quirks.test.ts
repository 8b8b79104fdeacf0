import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, answerOf, connected, mailboxOf, plainMail } from './client.ts'

t.test('an empty page of history may continue', async t => {
  const { sim, get } = await connected(t, mailboxOf(5))
  sim.quirks.emptyPages = true
  const sizes: number[] = []
  let token = ''
  do {
    const { history = [], nextPageToken = '' } = (
      await get(`history?startHistoryId=1000&maxResults=2&pageToken=${token}`)
    ).body
    sizes.push(history.length)
    token = nextPageToken
  } while (token !== '')
  t.same(sizes, [0, 2, 0, 2, 0, 1])
  const { historyId } = (await get('profile')).body
  t.same((await get(`history?startHistoryId=${historyId}`)).body, { historyId }, 'without news there is no quirk')
})

t.test('some records hold only an id and messages, always the same ones', async t => {
  const { sim, get } = await connected(t, mailboxOf(40))
  const bare = async () => {
    const { history } = (await get('history?startHistoryId=1000&historyTypes=messageAdded')).body
    t.equal(history.length, 40)
    t.ok(history.every(({ messages }) => messages.length === 1))
    return history.filter(({ messagesAdded }) => messagesAdded === undefined).map(({ id }) => id)
  }
  t.equal((await bare()).length, 0)
  sim.quirks.bareRecords = 0.25
  const some = await bare()
  t.ok(some.length > 4 && some.length < 16, `${some.length} of 40`)
  t.same(await bare(), some)
  sim.quirks.bareRecords = 1
  t.equal((await bare()).length, 40)
})

t.test('a lagging history returns no id before its records', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, get } = await connected(t, mailboxOf(3), { now: () => nowMs })
  const start = sim.mailbox(ADDRESS).historyId()
  await fetch(`${sim.url}/control/quirks`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ historyLagMs: 500 }),
  })
  const { historyId } = sim.deliver(ADDRESS, plainMail(9).raw)
  t.same((await get(`history?startHistoryId=${start}`)).body, { historyId: start })
  t.same((await get(`history?startHistoryId=${historyId}`)).body, { historyId }, 'an id from a push is not a 404')
  nowMs += 500
  t.match((await get(`history?startHistoryId=${start}`)).body, { historyId, history: [{ id: historyId }] })
})

t.test('text parts can keep their charset, or come without their content', async t => {
  const raw = Buffer.from('Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe', 'latin1')
  const { sim, get } = await connected(t, memoryMailbox(ADDRESS, [{ raw }]))
  const id = (await get('messages')).body.messages[0]?.id
  const base64url = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding).toString('base64url')
  const part = async () =>
    (await get(`messages/${id}?format=full`)).body.payload as Record<'body', Record<string, unknown>>
  const inUtf8 = { size: 7, data: `${base64url('Grüße', 'utf8')}==` }
  t.match(await part(), { headers: [{ value: 'text/plain; charset=iso-8859-1' }], body: inUtf8 })
  sim.quirks.keptCharsets = true
  t.match((await part()).body, { size: 5, data: `${base64url('Grüße', 'latin1')}=` })
  sim.quirks.keptCharsets = false
  sim.quirks.largeTextBytes = 6
  const { body } = await part()
  t.match(body, { size: 7, data: undefined, attachmentId: String })
  t.match((await get(`messages/${id}/attachments/${body.attachmentId}`)).body, inUtf8)
  sim.quirks.largeTextBytes = 7
  t.match((await part()).body, inUtf8)
})

t.test('PUT replaces all quirks over HTTP', async t => {
  const { sim } = await connected(t, mailboxOf(1))
  const put = async (body: object) =>
    answerOf(
      await fetch(`${sim.url}/control/quirks`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    )
  t.match(await put({ emptyPages: true }), { body: { emptyPages: true, bareRecords: 0, historyLagMs: 0 } })
  t.match(await put({ bareRecords: 1 }), { body: { emptyPages: false, bareRecords: 1 } })
  t.match(await put({ bareRecords: 2 }), { status: 400, body: { error: { message: /^bareRecords: / } } })
  t.equal(sim.quirks.bareRecords, 1)
})
