import { auth, gmail } from 'googleapis/build/src/apis/gmail/index.js'
import t from 'tap'
import { startGmail } from '../../sim/gmail.ts'
import { ADDRESS, mailboxOf } from './client.ts'

// Google's own client, unmodified, against the simulator.
async function client(t: { teardown: (end: () => Promise<void>) => void }, refreshToken = `simulated:${ADDRESS}`) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [mailboxOf(12)] })
  t.teardown(() => sim.close())
  const oauth = new auth.OAuth2({
    clientId: 'any',
    clientSecret: 'any',
    endpoints: { oauth2TokenUrl: `${sim.url}/token` },
  })
  oauth.setCredentials({ refresh_token: refreshToken })
  const { users } = gmail({
    version: 'v1',
    auth: oauth,
    rootUrl: `${sim.url}/`,
    retry: false,
    retryConfig: { retry: 0 },
  })
  return { sim, users }
}

t.test('googleapis reads the profile and the labels', async t => {
  const { sim, users } = await client(t)
  const { data } = await users.getProfile({ userId: 'me' })
  t.same(data, {
    emailAddress: ADDRESS,
    messagesTotal: 12,
    threadsTotal: 8,
    historyId: sim.mailbox(ADDRESS).historyId(),
  })
  const { data: all } = await users.labels.list({ userId: 'me' })
  t.ok(all.labels?.some(label => label.id === 'INBOX'))
  t.match(sim.calls(), { token: 1, profile: 1, labels: 1, total: 2 })
})

t.test('googleapis pages through the list', async t => {
  const { users } = await client(t)
  const ids: unknown[] = []
  let pageToken: string | undefined
  do {
    const page = { userId: 'me', maxResults: 5, labelIds: ['INBOX'], ...(pageToken === undefined ? {} : { pageToken }) }
    const { data } = await users.messages.list(page)
    ids.push(...(data.messages ?? []).map(message => message.id))
    pageToken = data.nextPageToken ?? undefined
  } while (pageToken !== undefined)
  t.equal(new Set(ids).size, 12)
})

t.test('googleapis gets a message in every format', async t => {
  const { users } = await client(t)
  const { data } = await users.messages.list({ userId: 'me', maxResults: 1 })
  const id = data.messages?.[0]?.id ?? ''
  const get = async (format: string) =>
    (await users.messages.get({ userId: 'me', id, format, metadataHeaders: ['Subject', 'From'] })).data
  t.match(await get('full'), { id, payload: { mimeType: 'text/plain', body: { data: String, size: 18 } } })
  t.same((await get('metadata')).payload?.headers, [
    { name: 'From', value: 'Bo <bo@example.org>' },
    { name: 'Subject', value: 'Mail 11' },
  ])
  t.match(await get('minimal'), { id, snippet: 'Text of mail 11.' })
  t.match(Buffer.from((await get('raw')).raw ?? '', 'base64url').toString(), /\r\n\r\nText of mail 11\.\r\n$/)
})

t.test('googleapis reads history and threads', async t => {
  const { sim, users } = await client(t)
  const startHistoryId = sim.mailbox(ADDRESS).historyId()
  const { threadId } = sim.deliver(ADDRESS, 'In-Reply-To: <0@example.org>\r\n\r\nNew')
  const { data } = await users.history.list({ userId: 'me', startHistoryId, historyTypes: ['messageAdded'] })
  t.equal(data.history?.[0]?.messagesAdded?.[0]?.message?.threadId, threadId)
  const { data: thread } = await users.threads.get({ userId: 'me', id: threadId, format: 'metadata' })
  t.equal(thread.messages?.length, 2)
  const { data: threads } = await users.threads.list({ userId: 'me', maxResults: 3 })
  t.equal(threads.threads?.length, 3)
})

t.test('googleapis recognizes errors as Google’s', async t => {
  const { users } = await client(t)
  await t.rejects(users.messages.get({ userId: 'me', id: '00' }), {
    status: 404,
    message: 'Requested entity was not found.',
  })
  await t.rejects(users.history.list({ userId: 'me', startHistoryId: '1' }), {
    message: 'Requested entity was not found.',
  })
  const stranger = await client(t, 'simulated:nobody@example.com')
  await t.rejects(stranger.users.getProfile({ userId: 'me' }), { message: 'invalid_grant' })
})
