import t from 'tap'
import { ADDRESS, mailboxOf } from './client.ts'
import { askGraphToken, askingWith, graphConnected, IMMUTABLE } from './graph-client.ts'

t.test('a client changes, moves and deletes messages, and deltas report it', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(3))
  const { items, deltaLink } = await all('me/mailFolders/inbox/messages/delta?$select=isRead', IMMUTABLE)
  const [a = '', b = '', c = ''] = items.map(({ id }) => id)
  const json = { isRead: false, flag: { flagStatus: 'flagged' }, importance: 'high', categories: ['Red'] }
  t.match((await ask(`me/messages/${a}?$select=flag`, { method: 'PATCH', json })).body, { flag: json.flag })
  t.match((await ask(`me/messages/${a}`)).body, json)
  const before = sim.mailbox(ADDRESS).usualId(b)
  const moved = await ask(`me/messages/${before}/move`, { method: 'POST', json: { destinationId: 'archive' } })
  t.equal(moved.status, 201)
  t.equal(moved.body.id, sim.mailbox(ADDRESS).usualId(b))
  t.not(moved.body.id, before)
  t.equal((await ask(`me/messages/${c}`, { method: 'DELETE' })).status, 204)
  t.equal((await ask(`me/messages/${c}`)).body.parentFolderId, sim.mailbox(ADDRESS).folderId('deleteditems'))
  t.same(
    (await all(deltaLink, IMMUTABLE)).items.map(item => [item.id, item['@removed']?.reason]),
    [
      [a, undefined],
      [b, 'changed'],
      [c, 'changed'],
    ],
  )
  await ask(`me/messages/${c}`, { method: 'DELETE' })
  t.equal((await ask(`me/messages/${c}`)).status, 404)
  t.equal((await ask(`me/messages/${a}`, { method: 'PATCH', json: { subject: 'x' } })).status, 400)
  t.equal((await ask(`me/messages/${a}/move`, { method: 'POST', json: {} })).status, 400)
  t.match(sim.calls(), { change: 6 })
})

t.test('changes need their permission', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  const form = { grant_type: 'refresh_token', refresh_token: `simulated:${ADDRESS}`, scope: 'Mail.Read' }
  const reader = askingWith(sim, (await askGraphToken(sim, form)).body.access_token)
  const [id = ''] = sim.mailbox(ADDRESS).ids()
  t.equal((await reader(`me/messages/${id}`)).status, 200)
  t.equal((await reader(`me/messages/${id}`, { method: 'DELETE' })).body.error.code, 'ErrorAccessDenied')
})

t.test('folders beside the root are found by name but never listed', async t => {
  const { ask, all } = await graphConnected(t, mailboxOf(1))
  const { status, body } = await ask('me/mailFolders/recoverableitemsdeletions?$select=id')
  t.equal(status, 200)
  const listed = await all('me/mailFolders/delta?includeHiddenFolders=true')
  t.notOk(listed.items.some(({ id }) => id === body.id))
  t.equal((await ask('me/mailFolders/clutter')).body.error.code, 'ErrorFolderNotFound')
  t.equal((await ask('me/mailFolders/what')).status, 400)
})
