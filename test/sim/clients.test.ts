import { batchFetchImplementation } from '@jrmdayn/googleapis-batcher'
import { auth, gmail } from 'googleapis/build/src/apis/gmail/index.js'
import t from 'tap'
import { ADDRESS, answerOf, connected, mailboxOf } from './client.ts'

type Test = Parameters<typeof connected>[0]

const MAIL =
  'From: Bö <bo@example.org>\r\nSubject: A subject\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nHello…\r\n'

/** Returns Google's unmodified client for Node, connected to a simulator. */
async function google(t: Test, count: number, options: { fetchImplementation?: never } = {}) {
  const { sim } = await connected(t, mailboxOf(count))
  const oauth = new auth.OAuth2({ clientId: 'a', clientSecret: 'b', endpoints: { oauth2TokenUrl: `${sim.url}/token` } })
  oauth.setCredentials({ refresh_token: `simulated:${ADDRESS}` })
  const { users } = gmail({ version: 'v1', auth: oauth, rootUrl: `${sim.url}/`, retry: false, ...options })
  return { sim, users, ids: sim.mailbox(ADDRESS).ids() }
}

t.test('googleapis changes and lists labels', async t => {
  const { users, ids } = await google(t, 4)
  const [id = ''] = ids
  const label = (await users.labels.create({ userId: 'me', requestBody: { name: 'Done' } })).data
  const change = { addLabelIds: [label.id ?? ''], removeLabelIds: ['INBOX'] }
  const modified = await users.messages.modify({ userId: 'me', id, requestBody: change })
  t.same(modified.data.labelIds, ['Label_1'])
  const all = await users.messages.batchModify({ userId: 'me', requestBody: { ids, ...change } })
  t.equal(all.status, 204)
  const listed = await users.messages.list({
    userId: 'me',
    labelIds: ['Label_1'],
    includeSpamTrash: true,
    q: '-in:chats',
  })
  t.match(listed.data, { resultSizeEstimate: 4, messages: { length: 4 } })
  await users.labels.update({ userId: 'me', id: 'Label_1', requestBody: { id: 'Label_1', name: 'Really done' } })
  t.match((await users.labels.get({ userId: 'me', id: 'Label_1' })).data, { name: 'Really done', messagesTotal: 4 })
  await t.rejects(users.labels.create({ userId: 'me', requestBody: { name: 'really done' } }), {
    message: 'Label name exists or conflicts',
  })
  await users.messages.trash({ userId: 'me', id })
  await users.messages.untrash({ userId: 'me', id })
  await users.messages.delete({ userId: 'me', id })
  await users.labels.delete({ userId: 'me', id: 'Label_1' })
  t.equal((await users.getProfile({ userId: 'me' })).data.messagesTotal, 3)
})

t.test('googleapis inserts, imports and sends mail, as JSON and as an upload', async t => {
  const { sim, users } = await google(t, 2)
  // The client's own rootUrl does not cover uploads.
  const at = { rootUrl: `${sim.url}/` }
  const get = async (id: unknown) => (await users.messages.get({ userId: 'me', id: String(id), format: 'raw' })).data
  const raw = Buffer.from(MAIL).toString('base64')
  const inserted = await users.messages.insert({
    userId: 'me',
    requestBody: { raw, labelIds: ['STARRED'] },
    internalDateSource: 'dateHeader',
  })
  t.match(await get(inserted.data.id), { labelIds: ['STARRED'], internalDate: String(Date.UTC(2026, 8, 1, 10)) })
  t.equal(Buffer.from((await get(inserted.data.id)).raw ?? '', 'base64url').toString(), MAIL)

  const media = { mimeType: 'message/rfc822', body: MAIL }
  const uploaded = await users.messages.import({ userId: 'me', requestBody: { labelIds: ['INBOX'] }, media }, at)
  t.match(await get(uploaded.data.id), { labelIds: ['INBOX'], internalDate: String(Date.UTC(2026, 8, 1, 10)) })
  t.equal(Buffer.from((await get(uploaded.data.id)).raw ?? '', 'base64url').toString(), MAIL)
  const alone = await users.messages.insert({ userId: 'me', media }, at)
  t.equal(Buffer.from((await get(alone.data.id)).raw ?? '', 'base64url').toString(), MAIL)

  const threadId = inserted.data.threadId ?? ''
  const sent = await users.messages.send({
    userId: 'me',
    requestBody: { raw: Buffer.from(`To: Ana <${ADDRESS}>, c@example.com\r\n\r\nHi`).toString('base64url'), threadId },
  })
  t.same(sent.data, { id: sent.data.id, threadId, labelIds: ['SENT'] })
  const [newest = ''] = sim.mailbox(ADDRESS).ids()
  t.same(sim.mailbox(ADDRESS).labelsOf(newest), ['INBOX', 'UNREAD'], 'it was also received')
  const { data } = await users.history.list({ userId: 'me', startHistoryId: '1000', historyTypes: ['messageAdded'] })
  t.equal(data.history?.length, 2 + 5)

  const wrong: [{ raw?: string; threadId?: string; labelIds?: string[] }, RegExp][] = [
    [{ raw: '?' }, /Base64 decoding failed/],
    [{}, /'raw' RFC822 payload message string/],
    [{ raw, threadId: '00' }, /^Invalid thread_id value$/],
    [{ raw, labelIds: ['Label_9'] }, /^Invalid label: Label_9$/],
  ]
  for (const [requestBody, message] of wrong)
    await t.rejects(users.messages.insert({ userId: 'me', requestBody }), { message })
  await t.rejects(users.messages.send({ userId: 'me', requestBody: { raw } }), {
    message: 'Recipient address required',
  })
})

t.test('googleapis-batcher reads and changes in batches', async t => {
  const fetchImplementation = batchFetchImplementation({ maxBatchSize: 50 }) as never
  const { sim, users, ids } = await google(t, 30, { fetchImplementation })
  await users.getProfile({ userId: 'me' })
  sim.resetCalls()
  const answers = await Promise.all(ids.map(id => users.messages.get({ userId: 'me', id, format: 'metadata' })))
  t.same(
    answers.map(({ data }) => data.id),
    ids,
  )
  t.match(sim.calls(), { batch: 1, parts: 30, single: 0 })
  const [first = '', second = ''] = ids
  const [modified, missing] = await Promise.allSettled([
    users.messages.modify({ userId: 'me', id: first, requestBody: { addLabelIds: ['STARRED'] } }),
    users.messages.trash({ userId: 'me', id: '00' }),
    users.messages.trash({ userId: 'me', id: second }),
  ])
  t.match(modified, { status: 'fulfilled', value: { data: { labelIds: /STARRED/ } } })
  t.match(missing, { status: 'rejected', reason: { status: 404 } })
  t.ok(sim.mailbox(ADDRESS).labelsOf(second).includes('TRASH'))
})

// The format of google-api-python-client 2: bare line endings, its own headers in each part, and a Content-ID
// with spaces that may be folded.
t.test('the batch of Google’s client for Python gets the expected answer', async t => {
  const { sim, headers } = await connected(t, mailboxOf(2))
  const [id = '', other = ''] = sim.mailbox(ADDRESS).ids()
  const base = '0d3f2a1c-2f9e-4a7e-9a3c-6a1d7c1e9b55'
  const part = (name: string, request: string, body?: object) => {
    const json = body === undefined ? '' : JSON.stringify(body)
    return [
      '--===============1234567890==',
      'Content-Type: application/http',
      'MIME-Version: 1.0',
      'Content-Transfer-Encoding: binary',
      `Content-ID: <${base}\n + ${name}>`,
      '',
      `${request} HTTP/1.1`,
      'Content-Type: application/json',
      'MIME-Version: 1.0',
      'accept: application/json',
      'accept-encoding: gzip, deflate',
      'user-agent: (gzip)',
      'x-goog-api-client: gdcl/2.184.0 gl-python/3.11.7',
      `Host: ${new URL(sim.url).host}`,
      ...(body === undefined ? [] : [`content-length: ${json.length}`]),
      '',
      json,
    ].join('\n')
  }
  const change = { addLabelIds: ['STARRED'], removeLabelIds: [] }
  const raw = Buffer.from(MAIL).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  const path = '/gmail/v1/users/me/messages'
  const body = [
    part('1', `GET ${path}/${id}?format=raw&fields=id%2ClabelIds%2CinternalDate%2Craw&alt=json`),
    part('gmail%3A2', `POST ${path}/${id}/modify?alt=json`, change),
    part('3', `POST ${path}/import?neverMarkSpam=true&deleted=false&fields=id&alt=json`, { labelIds: ['INBOX'], raw }),
    part('4', `DELETE ${path}/${other}?`),
    '--===============1234567890==--',
  ].join('\n')
  const answer = await fetch(`${sim.url}/batch`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'multipart/mixed; boundary="===============1234567890=="' },
    body,
  })
  const text = await answer.text()
  t.equal(answer.status, 200)
  t.same(
    [...text.matchAll(/Content-ID: (.*)\r\n\r\nHTTP\/1.1 (\d+)/g)].map(([, ...found]) => found),
    ['1', 'gmail%3A2', '3', '4'].map((name, index) => [`<response-${base} + ${name}>`, index === 3 ? '204' : '200']),
  )
  const [, padded = ''] = /"raw": "([^"]+)"/.exec(text) ?? []
  t.equal(padded.length % 4, 0, 'urlsafe_b64decode needs padding')
  t.equal(sim.mailbox(ADDRESS).ids().length, 2, 'one was added and one removed')
})

// As `MediaInMemoryUpload(…, resumable=True, chunksize=…)` does.
t.test('a mail is uploaded in pieces', async t => {
  const { sim, headers, get } = await connected(t, mailboxOf(1))
  const url = `${sim.url}/upload/gmail/v1/users/me/messages?internalDateSource=dateHeader&deleted=false&alt=json&uploadType=resumable`
  const started = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', 'x-upload-content-type': 'message/rfc822' },
    body: '{"labelIds": ["INBOX"]}',
  })
  t.equal(started.status, 200)
  const address = started.headers.get('location') ?? ''
  const bytes = Buffer.from(MAIL)
  const send = (from: number, to: number) =>
    fetch(address, {
      method: 'PUT',
      headers: { ...headers, 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` },
      body: bytes.subarray(from, to),
    })
  const first = await send(0, 40)
  t.match({ status: first.status, range: first.headers.get('range') }, { status: 308, range: 'bytes=0-39' })
  const { status, body } = await answerOf(await send(40, bytes.length))
  t.equal(status, 200)
  t.equal(Buffer.from((await get(`messages/${body.id}?format=raw`)).body.raw, 'base64url').toString(), MAIL)
  t.equal((await send(0, 40)).status, 404, 'the upload is over')
  const nothing = await fetch(url.replace('resumable', 'media'), { method: 'POST', headers })
  t.equal(nothing.status, 400)
})
