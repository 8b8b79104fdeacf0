import t from 'tap'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, answerOf, askToken, connected, mailboxOf, plainMail } from './client.ts'

const HOUR_MS = 3_600_000

t.test('a known mailbox’s refresh token gets an hour’s access token; others fail', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, get } = await connected(t, mailboxOf(1), { now: () => nowMs })
  const granted = await askToken(sim, `simulated:${ADDRESS}`)
  t.match(granted, { status: 200, body: { expires_in: 3600, token_type: 'Bearer', access_token: String } })
  t.match(await askToken(sim, 'simulated:nobody@example.com'), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await askToken(sim, 'stolen'), { status: 400, body: { error: 'invalid_grant' } })

  nowMs += HOUR_MS - 1
  t.equal((await get('profile')).status, 200)
  nowMs += 1
  t.match(await get('profile'), { status: 401, body: { error: { code: 401, status: 'UNAUTHENTICATED' } } })
})

t.test('reading needs a token of that mailbox', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const ask = async (user: string, init: RequestInit) =>
    answerOf(await fetch(`${sim.url}/gmail/v1/users/${user}/profile`, init))
  t.match(await ask('me', {}), { status: 401, body: { error: { errors: [{ reason: 'required' }] } } })
  const forged = { headers: { authorization: 'Bearer forged' } }
  t.match(await ask('me', forged), { status: 401, body: { error: { errors: [{ reason: 'authError' }] } } })
  t.match(await ask('bo@example.com', { headers }), { status: 403, body: { error: { status: 'PERMISSION_DENIED' } } })
  t.match(await ask(ADDRESS.toUpperCase(), { headers }), { status: 200, body: { emailAddress: ADDRESS } })
})

t.test('the list is newest first, in pages of 100, or up to 500 on request', async t => {
  const { get } = await connected(t, mailboxOf(620))
  const first = (await get('messages')).body
  t.equal(first.messages.length, 100)
  t.equal(first.resultSizeEstimate, 620)
  t.match(first.messages[0], { id: /^[0-9a-f]{16}$/, threadId: /^[0-9a-f]{16}$/ })
  const large = (await get('messages?maxResults=9999')).body
  t.equal(large.messages.length, 500)
  const rest = (await get(`messages?maxResults=500&pageToken=${large.nextPageToken}`)).body
  t.equal(rest.messages.length, 120)
  t.equal(rest.nextPageToken, undefined)
  t.equal(new Set([...large.messages, ...rest.messages].map(({ id }) => id)).size, 620)
  const newest = (await get(`messages/${large.messages[0]?.id}?format=minimal`)).body
  t.equal(newest.snippet, 'Text of mail 619.')
})

t.test('mail that arrives between two pages does not shift later pages', async t => {
  const { sim, get } = await connected(t, mailboxOf(20))
  const before = (await get('messages?maxResults=20')).body.messages
  const first = (await get('messages?maxResults=10')).body
  sim.deliver(ADDRESS, plainMail(99).raw)
  const second = (await get(`messages?maxResults=10&pageToken=${first.nextPageToken}`)).body
  t.same([...first.messages, ...second.messages], before)
})

t.test('an empty listing has no messages key', async t => {
  const { get } = await connected(t, mailboxOf(0))
  t.same((await get('messages')).body, { resultSizeEstimate: 0 })
  t.same((await get('threads')).body, { resultSizeEstimate: 0 })
  t.same((await get('history?startHistoryId=1000')).body, { historyId: '1000' })
})

t.test('wrong parameters are refused in Google’s error format', async t => {
  const { get } = await connected(t, mailboxOf(3))
  const wrong = [
    'messages?maxResults=many',
    'messages?pageToken=made-up',
    'messages?q=is:muted',
    'messages?alt=media',
    'history',
    'history?startHistoryId=x',
    'history?startHistoryId=1000&historyTypes=messageMoved',
    'messages?labelIds=Label_9',
    'messages?colour=red',
    'profile?maxResults=1',
    'messages?pageToken=YWZ0ZXIgOTk5',
    'messages/not-an-id',
    'messages?includeSpamTrash=maybe',
  ]
  for (const path of wrong) {
    t.match(await get(path), { status: 400, body: { error: { code: 400, status: 'INVALID_ARGUMENT' } } }, path)
  }
  for (const path of ['messages/0000000000000000', 'threads/0000000000000000', 'labels/Label_9', 'nothing']) {
    const notFound = { code: 404, status: 'NOT_FOUND', errors: [{ domain: 'global', reason: 'notFound' }] }
    t.match(await get(path), { status: 404, body: { error: notFound } }, path)
  }
})

t.test('fields selects, and unknown fields are refused', async t => {
  const { get } = await connected(t, mailboxOf(2))
  const listed = (await get('messages?fields=messages/id,nextPageToken&maxResults=1')).body
  t.same(Object.keys(listed).sort(), ['messages', 'nextPageToken'])
  t.same(Object.keys(listed.messages[0] ?? {}), ['id'])
  const id = listed.messages[0]?.id
  const selected = async (fields: string) => (await get(`messages/${id}?fields=${encodeURIComponent(fields)}`)).body
  t.same(await selected('id,payload(mimeType,headers/name)'), {
    id,
    payload: { mimeType: 'text/plain', headers: ['From', 'To', 'Subject', 'Message-ID'].map(name => ({ name })) },
  })
  t.same(await selected('payload/body/size,payload(partId)'), { payload: { partId: '', body: { size: 17 } } })
  t.same(Object.keys((await selected('payload/*/size')).payload), ['headers', 'body'])
  t.same(await selected('raw'), {})
  for (const fields of [
    'nonsense',
    'id,',
    'payload(',
    'payload(headers',
    'id/deeper',
    'id)',
    ',',
    'payload/*/nonsense',
  ]) {
    const refused = await get(`messages/${id}?fields=${encodeURIComponent(fields)}`)
    t.match(refused, { status: 400, body: { error: { errors: [{ location: 'fields' }] } } }, fields)
  }
})

t.test('answers are indented, unless prettyPrint is off', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const text = async (query: string) =>
    (await fetch(`${sim.url}/gmail/v1/users/me/profile?${query}`, { headers })).text()
  t.match(await text('alt=json'), /^\{\n {2}"emailAddress"/)
  t.match(await text('prettyPrint=false'), /^\{"emailAddress"/)
})

t.test('calls are counted by kind, also for other processes', async t => {
  const { sim, get } = await connected(t, mailboxOf(4))
  sim.resetCalls()
  const { messages } = (await get('messages')).body
  for (const path of [
    'profile',
    'labels',
    'labels/INBOX',
    `messages/${messages[0]?.id}`,
    `threads/${messages[0]?.threadId}`,
  ])
    await get(path)
  await get('history?startHistoryId=1000')
  await get('unknown')
  await askToken(sim, `simulated:${ADDRESS}`)
  const counts = {
    list: 1,
    batch: 0,
    single: 1,
    thread: 1,
    history: 1,
    profile: 1,
    labels: 2,
    token: 1,
    other: 1,
    total: 8,
    parts: 0,
  }
  t.same(sim.calls(), counts)
  t.same(await (await fetch(`${sim.url}/control/calls`)).json(), counts)
})

t.test('other processes list mailboxes and deliver mail over HTTP', async t => {
  const { sim, get } = await connected(t, mailboxOf(2))
  t.same(await (await fetch(`${sim.url}/control/mailboxes`)).json(), [{ address: ADDRESS, messages: 2 }])
  const post = (address: string) =>
    fetch(`${sim.url}/control/mailboxes/${address}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'message/rfc822' },
      body: 'Subject: Re: Mail 1\r\nIn-Reply-To: <1@example.org>\r\n\r\nHello\r\n',
    })
  const { body } = await answerOf(await post(ADDRESS))
  t.equal(body.historyId, sim.mailbox(ADDRESS).historyId())
  t.equal((await get(`threads/${body.threadId}`)).body.messages.length, 2)
  t.match((await get(`messages/${body.id}`)).body, { labelIds: ['INBOX', 'UNREAD'], snippet: 'Hello' })
  t.same(sim.mailboxes(), [{ address: ADDRESS, messages: 3 }])
  t.match(await answerOf(await post('nobody@example.com')), { status: 404, body: { error: { status: 'NOT_FOUND' } } })
})

t.test('a live profile has latency, and closing does not wait for it', async t => {
  const sim = await startGmail({ profile: 'seed', mailboxes: [mailboxOf(1)] })
  const { body } = await askToken(sim, `simulated:${ADDRESS}`)
  const startedMs = Date.now()
  const asked = fetch(`${sim.url}/gmail/v1/users/me/profile`, {
    headers: { authorization: `Bearer ${body.access_token}` },
  })
  asked.catch(() => undefined)
  while (sim.calls().profile === 0) await new Promise(resolve => setImmediate(resolve))
  await sim.close()
  await t.rejects(asked.then(response => (response.ok ? response : Promise.reject(new Error('cut')))))
  t.ok(Date.now() - startedMs < 2000)
})

t.test('two mailboxes of one address are refused', async t => {
  const twice = startGmail({ profile: 'instant', mailboxes: [mailboxOf(1), memoryMailbox('ANA@example.com', [])] })
  await t.rejects(twice, { message: /two mailboxes are called ana@example.com/ })
})

t.test('a fixed latency overrides the profile', async t => {
  const { get } = await connected(t, mailboxOf(1), { profile: 'instant', latencyMs: 60 })
  const startedMs = performance.now()
  t.equal((await get('profile')).status, 200)
  t.ok(performance.now() - startedMs >= 55)
})
