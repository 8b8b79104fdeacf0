import t from 'tap'
import { ADDRESS, answerOf, connected, mailboxOf } from './client.ts'

type Test = Parameters<typeof connected>[0]

/**
 * Opens a mailbox of six mails in four threads, and a client that changes it. Of the six, the first and the
 * last are unread.
 */
async function open(t: Test) {
  const { sim, headers, get } = await connected(t, mailboxOf(6))
  const ask = async (method: string, path: string, body?: object) => {
    const json = body && { body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } }
    const response = await fetch(`${sim.url}/gmail/v1/users/me/${path}`, { method, headers, ...json })
    return response.status === 204 ? { status: 204, body: await response.text() } : answerOf(response)
  }
  const since = async (start: string, more = '') => (await get(`history?startHistoryId=${start}${more}`)).body
  const mailbox = sim.mailbox(ADDRESS)
  return { sim, get, ask, since, mailbox, start: mailbox.historyId(), ids: mailbox.ids() }
}

t.test('label changes of a message appear in history as added and removed', async t => {
  const { ask, since, start, ids } = await open(t)
  const [, id = ''] = ids
  const change = { addLabelIds: ['STARRED', 'INBOX'], removeLabelIds: [] }
  const answer = await ask('POST', `messages/${id}/modify`, change)
  t.match(answer, { status: 200, body: { id, labelIds: ['INBOX', 'STARRED'] } })
  t.same(Object.keys(answer.body), ['id', 'threadId', 'labelIds'])
  const { history, historyId } = await since(start)
  const message = { id, threadId: String, labelIds: ['INBOX', 'STARRED'] }
  t.match(history, [{ id: historyId, messages: [{ id }], labelsAdded: [{ message, labelIds: ['STARRED'] }] }])
  t.equal(history.length, 1)

  await ask('POST', `messages/${id}/modify`, change)
  t.equal((await since(start)).historyId, historyId, 'a change without effect leaves no record')

  await ask('POST', `messages/${id}/modify`, { addLabelIds: ['UNREAD'], removeLabelIds: ['STARRED'] })
  t.match((await since(historyId)).history, [
    { labelsAdded: [{ labelIds: ['UNREAD'] }], labelsRemoved: [{ labelIds: ['STARRED'] }] },
  ])
  t.match((await since(start, '&historyTypes=labelRemoved')).history, [{ labelsRemoved: [{ message: { id } }] }])
  t.equal((await since(start, '&labelId=STARRED')).history.length, 2)
  t.equal((await since(start, '&labelId=SENT')).history, undefined)
})

t.test('a batch change writes a record for each message, and has no answer', async t => {
  const { ask, since, start, ids, get } = await open(t)
  const some = [ids[0] ?? '', ids[1] ?? '', '0000000000000bad']
  t.same(await ask('POST', 'messages/batchModify', { ids: some, addLabelIds: ['IMPORTANT'] }), {
    status: 204,
    body: '',
  })
  t.match((await since(start)).history, [
    { labelsAdded: [{ message: { id: some[0] } }] },
    { labelsAdded: [{ message: { id: some[1] } }] },
  ])
  t.equal((await get('messages?labelIds=IMPORTANT')).body.messages.length, 2)
  t.equal((await ask('POST', 'messages/batchDelete', { ids: some })).status, 204)
  t.equal((await get('profile')).body.messagesTotal, 4)
})

t.test('trash leaves the inbox and listings, and can be undone', async t => {
  const { ask, since, start, ids, get } = await open(t)
  const [, id = ''] = ids
  t.match(await ask('POST', `messages/${id}/trash`), { status: 200, body: { id, labelIds: ['TRASH'] } })
  t.match((await since(start)).history, [
    { labelsAdded: [{ labelIds: ['TRASH'] }], labelsRemoved: [{ labelIds: ['INBOX'] }] },
  ])
  t.equal((await get('messages')).body.messages.length, 5)
  t.equal((await get('messages?includeSpamTrash=true')).body.messages.length, 6)
  t.equal((await get(`messages/${id}`)).status, 200)
  const { status, body } = await ask('POST', `messages/${id}/untrash`)
  t.equal(status, 200)
  t.same(Object.keys(body), ['id', 'threadId'], 'a message without labels has no labelIds')
  t.equal((await get('messages')).body.messages.length, 6)
})

t.test('a deleted message is gone permanently, and history records it', async t => {
  const { ask, since, start, ids, get } = await open(t)
  const [, id = ''] = ids
  const { threadId } = (await get(`messages/${id}`)).body
  t.same(await ask('DELETE', `messages/${id}`), { status: 204, body: '' })
  for (const path of [`messages/${id}`, `messages/${id}/attachments/x`])
    t.match(await get(path), { status: 404, body: { error: { status: 'NOT_FOUND' } } })
  t.equal((await ask('DELETE', `messages/${id}`)).status, 404)
  t.equal((await get(`threads/${threadId}`)).body.messages.length, 1)
  t.equal((await get('profile')).body.messagesTotal, 5)
  const { history } = await since(start)
  t.match(history, [{ messages: [{ id, threadId }], messagesDeleted: [{ message: { id, threadId } }] }])
  t.equal((await since('1000')).history.length, 7, 'its arrival stays in history')
})

t.test('a deletion between two pages does not shift later ones', async t => {
  const { mailbox, ids, get } = await open(t)
  const first = (await get('messages?maxResults=3')).body
  mailbox.delete(ids[2] ?? '', ids[3] ?? '')
  const second = (await get(`messages?maxResults=3&pageToken=${first.nextPageToken}`)).body
  t.same(
    second.messages.map(({ id }) => id),
    ids.slice(4),
  )
})

t.test('a thread is changed, trashed and deleted as a whole, in one record', async t => {
  const { ask, since, start, get } = await open(t)
  const { threads } = (await get('threads')).body
  const thread = threads.find(one => one.id) ?? { id: '' }
  const { messages } = (await get(`threads/${thread.id}`)).body
  t.equal(messages.length, 2)
  const change = { addLabelIds: ['STARRED'] }
  const answer = await ask('POST', `threads/${thread.id}/modify`, change)
  t.match(answer, { status: 200, body: { id: thread.id, messages: messages.map(({ id }) => ({ id })) } })
  const changed = await since(start)
  t.equal(changed.history.length, 1)
  t.equal(changed.history[0]?.labelsAdded.length, 2)
  t.match(await ask('POST', `threads/${thread.id}/trash`), { body: { messages: [{ labelIds: /TRASH/ }, {}] } })
  t.equal((await ask('POST', `threads/${thread.id}/untrash`)).status, 200)
  t.equal((await ask('DELETE', `threads/${thread.id}`)).status, 204)
  t.equal((await get(`threads/${thread.id}`)).status, 404)
  t.equal((await get('profile')).body.threadsTotal, 3)
  t.equal((await since(start, '&historyTypes=messageDeleted')).history[0]?.messagesDeleted.length, 2)
})

t.test('labels are created, read, renamed and deleted', async t => {
  const { ask, get, mailbox, ids } = await open(t)
  const named = { name: 'Team/A', messageListVisibility: 'hide', labelListVisibility: 'labelShowIfUnread' }
  const made = await ask('POST', 'labels', named)
  t.match(made, { status: 200, body: { ...named, id: 'Label_1', type: 'user' } })
  const conflict = { code: 409, message: 'Label name exists or conflicts', errors: [{ reason: 'aborted' }] }
  t.match(await ask('POST', 'labels', { name: 'team/a' }), { status: 409, body: { error: conflict } })
  for (const name of ['INBOX', 'inbox', ' ', undefined])
    t.match(await ask('POST', 'labels', { name }), { status: 400, body: { error: { message: 'Invalid label name' } } })

  mailbox.modify([ids[0] ?? ''], { add: ['Label_1', 'UNREAD'] })
  const counts = { messagesTotal: 1, messagesUnread: 1, threadsTotal: 1, threadsUnread: 1 }
  t.match((await get('labels/Label_1')).body, counts)
  t.match(await ask('PATCH', 'labels/Label_1', { name: 'Team/B' }), { body: { ...named, name: 'Team/B' } })
  t.match(await ask('PUT', 'labels/Label_1', { ...named, ...counts, id: 'Label_1' }), { body: named })
  t.equal((await get('messages?q=label:team-a')).body.messages.length, 1)

  const before = mailbox.historyId()
  t.equal((await ask('DELETE', 'labels/Label_1')).status, 204)
  t.equal((await get('labels/Label_1')).status, 404)
  t.match((await get(`history?startHistoryId=${before}`)).body.history, [
    { labelsRemoved: [{ labelIds: ['Label_1'] }] },
  ])
  t.equal((await ask('DELETE', 'labels/INBOX')).status, 400)
  t.match(await ask('POST', 'labels', { name: 'Team/A' }), { body: { id: 'Label_2' } }, 'an id is not used again')
})

t.test('invalid requests are refused in Google’s words', async t => {
  const { ask, ids } = await open(t)
  const [, id = ''] = ids
  const refusals: [string, string, object | undefined, RegExp][] = [
    ['POST', `messages/${id}/modify`, {}, /^No label add or removes specified$/],
    ['POST', `messages/${id}/modify`, undefined, /^No label add or removes specified$/],
    ['POST', `messages/${id}/modify`, { addLabelIds: ['Label_9'] }, /^Invalid label: Label_9$/],
    ['POST', `messages/${id}/modify`, { addLabelIds: ['SENT'] }, /^Invalid label: SENT$/],
    ['POST', `messages/${id}/modify`, { addLabelIds: ['INBOX'], removeLabelIds: ['INBOX'] }, /same label/],
    ['POST', `messages/${id}/modify`, { addLabelIds: Array(101).fill('INBOX') }, /Too many labels/],
    ['POST', `messages/${id}/modify`, { addLabelIds: 'INBOX' }, /^Invalid value at 'add_label_ids'/],
    ['POST', `messages/${id}/modify`, { labels: ['INBOX'] }, /Unknown name "labels": Cannot find field/],
    ['POST', 'messages/batchModify', { addLabelIds: ['INBOX'] }, /^No message ids specified$/],
    ['POST', 'messages/batchModify', { ids: Array(1001).fill(id), addLabelIds: ['INBOX'] }, /Too many message ids/],
    ['POST', 'messages/no-id/trash', undefined, /^Invalid id value$/],
    ['POST', 'labels', { name: 'A', messageListVisibility: 'maybe' }, /^Invalid value at/],
  ]
  for (const [method, path, body, message] of refusals) {
    const error = { code: 400, status: 'INVALID_ARGUMENT', message, errors: [{ domain: 'global' }] }
    t.match(await ask(method, path, body), { status: 400, body: { error } }, `${path} ${JSON.stringify(body)}`)
  }
  t.equal((await ask('POST', 'messages/0000000000000bad/trash')).status, 404)
})

t.test('the program that runs the simulator can make the same changes', async t => {
  const { sim, mailbox, ids, since, start } = await open(t)
  const [, first = '', second = '', third = ''] = ids
  const label = mailbox.createLabel('Team')
  mailbox.modify([first, second], { add: ['Team'], remove: ['INBOX'] })
  t.same(mailbox.labelsOf(first), [label])
  mailbox.trash(third)
  mailbox.untrash(third)
  mailbox.renameLabel(label, 'Group')
  mailbox.delete(first)
  mailbox.touch(second)
  const { history, historyId } = await since(start)
  t.same(
    history.map(({ id: _, messages, ...changes }) => [messages.length, Object.keys(changes).sort()]),
    [
      [2, ['labelsAdded', 'labelsRemoved']],
      [1, ['labelsAdded', 'labelsRemoved']],
      [1, ['labelsRemoved']],
      [1, ['messagesDeleted']],
      [1, []],
    ],
  )
  t.equal(historyId, mailbox.historyId())
  t.throws(() => mailbox.trash(first), { message: /has no message/ })
  t.throws(() => sim.mailbox('nobody@example.com'), { message: /no mailbox/ })
})
