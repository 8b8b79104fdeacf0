import t from 'tap'
import { startGraph } from '../../sim/graph.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, mailboxOf, plainMail } from './client.ts'
import { askGraphToken, askingWith, clientOf, graphConnected, IMMUTABLE } from './graph-client.ts'

const APPLICATION = {
  grant_type: 'client_credentials',
  client_secret: 'any',
  scope: 'https://graph.microsoft.com/.default',
}

const labelled = (name: string, labels: readonly string[]) => ({
  raw: `From: Bo <bo@example.org>\r\nSubject: ${name}\r\n\r\nText.\r\n`,
  labels,
})

t.test('a mail’s Gmail labels give its folder and marks', async t => {
  const mailbox = memoryMailbox(ADDRESS, [
    labelled('inbox', ['INBOX', 'UNREAD', 'STARRED', 'IMPORTANT', 'Travel']),
    labelled('nothing', []),
    labelled('archived', ['Travel']),
    labelled('spam', ['SPAM', 'INBOX']),
    labelled('trash', ['TRASH', 'SENT']),
    labelled('draft', ['DRAFT']),
    labelled('sent', ['SENT', 'INBOX']),
    labelled('own', ['INBOX', 'Projects/Rome']),
  ])
  const { ask } = await graphConnected(t, mailbox)
  const { body } = await ask('me/mailFolders?$top=50')
  const names = new Map(body.value.map(({ id, displayName }) => [id, displayName]))
  const projects = body.value.find(({ displayName }) => displayName === 'Projects')
  t.equal(projects?.childFolderCount, 1)
  const children = await ask(`me/mailFolders/${projects?.id}/childFolders`)
  const [rome] = children.body.value
  t.match(rome, { displayName: 'Rome', parentFolderId: projects?.id, totalItemCount: 1 })
  names.set(rome?.id ?? '', 'Rome')
  const { body: listed } = await ask(
    'me/messages?$select=subject,parentFolderId,isRead,isDraft,flag,importance,categories&$top=50',
  )
  t.same(
    Object.fromEntries(listed.value.map(message => [message.subject, names.get(message.parentFolderId as string)])),
    {
      inbox: 'Inbox',
      nothing: 'Inbox',
      archived: 'Archive',
      spam: 'Junk Email',
      trash: 'Deleted Items',
      draft: 'Drafts',
      sent: 'Sent Items',
      own: 'Rome',
    },
  )
  const marked = Object.fromEntries(listed.value.map(message => [message.subject, message]))
  t.match(marked.inbox, { isRead: false, isDraft: false, flag: { flagStatus: 'flagged' }, importance: 'high' })
  t.same(marked.inbox?.categories, ['Travel'])
  t.match(marked.draft, { isRead: true, isDraft: true, flag: { flagStatus: 'notFlagged' }, importance: 'normal' })
})

t.test('a message has Graph’s properties, and only the selected ones', async t => {
  const raw = [
    'From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>',
    'To: Ana <ana@example.com>, team: x@example.org, y@example.org;',
    'Cc: cy@example.org',
    'Date: Tue, 01 Sep 2026 09:59:58 +0200',
    'Message-ID: <1@example.org>',
    'Subject: Plans',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b\r\nContent-Type: text/plain\r\n\r\nOne & two\r\nthree',
    '--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\r\nx',
    '--b--',
  ].join('\r\n')
  const { ask, sim } = await graphConnected(
    t,
    memoryMailbox(ADDRESS, [{ raw, receivedAtMs: Date.UTC(2026, 8, 1, 8, 0, 0, 700) }]),
  )
  const [id = ''] = sim.mailbox(ADDRESS).ids()
  const { body } = await ask(`me/messages/${id}`)
  const address = (name: string, at: string) => ({ emailAddress: { name, address: at } })
  t.match(body, {
    subject: 'Plans',
    receivedDateTime: '2026-09-01T08:00:00Z',
    sentDateTime: '2026-09-01T07:59:58Z',
    internetMessageId: '<1@example.org>',
    hasAttachments: true,
    bodyPreview: 'One & two three',
    from: address('Jürgen', 'j@example.org'),
    toRecipients: [
      address('Ana', 'ana@example.com'),
      address('x@example.org', 'x@example.org'),
      address('y@example.org', 'y@example.org'),
    ],
    ccRecipients: [address('cy@example.org', 'cy@example.org')],
    body: { contentType: 'html', content: /One &amp; two<br>\r\nthree/ },
  })
  t.same(body.bccRecipients, [])
  t.notOk('internetMessageHeaders' in body)
  const text = await ask(`me/messages/${id}?$select=body,internetMessageHeaders`, {
    prefer: 'outlook.body-content-type="text"',
  })
  t.same(text.body.body, { contentType: 'text', content: 'One & two\r\nthree' })
  t.equal(text.headers.get('preference-applied'), 'outlook.body-content-type="text"')
  t.same(Object.keys(text.body), ['@odata.context', '@odata.etag', 'id', 'body', 'internetMessageHeaders'])
  t.equal((await ask(`me/messages/${id}/$value`)).body.text, raw)
})

t.test('ids have Exchange’s forms; both kinds work until a move ends the usual one', async t => {
  const { ask, sim } = await graphConnected(t, mailboxOf(3))
  const usual = (await ask('me/messages?$select=conversationId,parentFolderId')).body.value
  const immutable = (await ask('me/messages', { prefer: IMMUTABLE })).body.value
  const [{ id: old = '' } = {}] = usual
  const [{ id = '' } = {}] = immutable
  t.match(old, /^AAMkA[\w-]{146}=$/)
  t.match(id, /^AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A[\w-]{32}$/)
  t.match(usual[0]?.conversationId, /^AAQkA[\w-]{74}=$/)
  t.match(usual[0]?.parentFolderId, /^AAMkA[\w-]{114}=$/)
  t.equal(usual[0]?.conversationId, usual[1]?.conversationId, 'a reply is in the conversation of its parent')
  t.not(usual[0]?.conversationId, usual[2]?.conversationId)
  t.equal((await ask(`me/messages/${old}`)).status, 200)
  t.equal((await ask(`me/messages/${encodeURIComponent(id)}`)).body.id, old, 'ids are returned as preferred')
  sim.mailbox(ADDRESS).move('archive', id)
  t.equal((await ask(`me/messages/${old}`)).status, 404)
  t.equal((await ask(`me/messages/${old}`)).body.error.code, 'ErrorItemNotFound')
  const moved = await ask(`me/messages/${id}`, { prefer: IMMUTABLE })
  t.equal(moved.body.id, id)
  t.not((await ask(`me/messages/${id}`)).body.id, old)
  t.equal((await ask('me/messages/what')).body.error.code, 'ErrorInvalidIdMalformed')
})

t.test('lists are paged, ordered and filtered as requested', async t => {
  const { ask, all } = await graphConnected(t, mailboxOf(30))
  t.equal((await ask('me/messages')).body.value.length, 10)
  const { items, sizes } = await all('me/messages?$select=subject&$top=12')
  t.same(sizes, [12, 12, 6])
  t.equal(items[0]?.subject, 'Mail 29')
  const oldest = await ask('me/messages?$orderby=receivedDateTime asc&$top=1&$skip=2&$count=true')
  t.equal(oldest.body.value[0]?.subject, 'Mail 2')
  t.equal(oldest.body['@odata.count'], 30)
  const between = await ask(
    'me/messages?$filter=receivedDateTime ge 2026-09-01T10:00:00Z and receivedDateTime lt 2026-09-01T13:00:00Z',
  )
  t.same(
    between.body.value.map(({ subject }) => subject),
    ['Mail 4', 'Mail 3', 'Mail 2'],
  )
  t.equal((await ask('me/mailFolders/inbox/messages?$filter=isDraft eq true')).body.value.length, 0)
  t.equal((await ask('me/mailFolders')).body.value.length, 8)
  t.equal((await ask('me/mailFolders?includeHiddenFolders=true&$top=50')).body.value.length, 9)
  for (const query of [
    '$top=0',
    '$top=1001',
    '$filter=subject eq 1',
    '$orderby=subject',
    '$search=x',
    '$select=x',
    '$select=webLink',
    'x=1',
    '$skip=-1',
  ])
    t.equal((await ask(`me/messages?${query}`)).status, 400, query)
  const unordered = await ask('me/messages?$filter=isRead eq true&$orderby=receivedDateTime desc')
  t.equal(unordered.body.error.code, 'InefficientFilter')
})

t.test('a token opens its own mailbox, and an application all of them', async t => {
  const other = memoryMailbox('bo@example.org', [plainMail(1)])
  const { sim, ask } = await graphConnected(t, [mailboxOf(2), other])
  t.match((await ask('me?$select=mail,userPrincipalName')).body, { mail: ADDRESS, userPrincipalName: ADDRESS })
  t.equal((await ask(`users/${ADDRESS}/messages`)).body.value.length, 2)
  t.equal((await ask('users/bo@example.org/messages')).body.error.code, 'ErrorAccessDenied')
  t.equal((await ask('users/nobody@example.org/messages')).status, 403)
  const app = askingWith(sim, (await askGraphToken(sim, APPLICATION, 'example.com')).body.access_token)
  t.equal((await app('users/bo@example.org/messages')).body.value.length, 1)
  t.equal((await app('me/messages')).status, 400)
  t.equal((await app('users/nobody@example.org/messages')).body.error.code, 'ErrorInvalidUser')
  const none = await askingWith(sim, 'made-up')('me/messages')
  t.equal(none.status, 401)
  t.equal(none.body.error.code, 'InvalidAuthenticationToken')
  sim.tokens.expire(ADDRESS)
  t.equal((await ask('me')).status, 401)
  t.equal((await (await clientOf(sim, `simulated:${ADDRESS}`))('me')).status, 200)
  t.equal((await ask(`${sim.url}/beta/me`)).status, 404)
})

t.test('two mailboxes of one address are refused', async t => {
  const twice = startGraph({ profile: 'instant', mailboxes: [mailboxOf(1), memoryMailbox('ANA@example.com', [])] })
  await t.rejects(twice, { message: /two mailboxes are called ana@example.com/ })
})

t.test('requests are counted by kind', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  for (const path of [
    'me',
    'me/mailFolders',
    'me/messages',
    'me/mailFolders/inbox/messages/delta',
    'me/messages/x',
    'me/events',
  ])
    await ask(path)
  const requests = ['me/messages', 'me'].map((url, id) => ({ id: `${id}`, method: 'GET', url }))
  await ask('$batch', { method: 'POST', json: { requests } })
  const { parts, ...counts } = sim.calls()
  t.match(counts, { profile: 1, folders: 1, list: 1, delta: 1, get: 1, other: 1, batch: 1, token: 1, total: 7 })
  t.match(parts, { list: 1, profile: 1, total: 2 })
  sim.resetCalls()
  t.equal(sim.calls().total, 0)
})
