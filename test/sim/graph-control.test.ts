import t from 'tap'
import { startSimulators } from '../../sim/both.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, mailboxOf } from './client.ts'
import { graphConnected, IMMUTABLE } from './graph-client.ts'

const MAIL = 'From: bo@example.org\r\nSubject: new\r\n\r\nText.\r\n'

t.test('other processes list mailboxes, deliver to them and change them over HTTP', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(2))
  const control = async (method: string, path: string, json?: object | string) => {
    const type = typeof json === 'string' ? 'message/rfc822' : 'application/json'
    const response = await fetch(`${sim.url}/control/graph/mailboxes${path}`, {
      method,
      ...(json === undefined
        ? {}
        : { headers: { 'content-type': type }, body: typeof json === 'string' ? json : JSON.stringify(json) }),
    })
    return { status: response.status, body: (await response.json()) as { id: string } }
  }
  t.same((await control('GET', '')).body, [{ address: ADDRESS, messages: 2 }])
  const { deltaLink } = await all('me/mailFolders/inbox/messages/delta', IMMUTABLE)
  const { body } = await control('POST', `/${ADDRESS}/messages?label=INBOX&label=Work&receivedAt=1790000000000`, MAIL)
  const read = async () => (await ask(`me/messages/${body.id}`, { prefer: IMMUTABLE })).body
  t.match(await read(), { isRead: true, categories: ['Work'], receivedDateTime: '2026-09-21T14:13:20Z' })
  t.equal((await all(deltaLink, IMMUTABLE)).items[0]?.id, body.id)

  const changed = { isRead: false, flagged: true, important: true, categories: ['Home'] }
  t.equal((await control('PATCH', `/${ADDRESS}/messages/${body.id}`, changed)).status, 200)
  t.match(await read(), { isRead: false, flag: { flagStatus: 'flagged' }, importance: 'high', categories: ['Home'] })
  const { body: folder } = await control('POST', `/${ADDRESS}/folders`, { path: 'Projects/Rome' })
  await control('POST', `/${ADDRESS}/messages/${body.id}/move?to=${folder.id}`)
  t.equal((await read()).parentFolderId, folder.id)
  await control('PATCH', `/${ADDRESS}/folders/${folder.id}`, { displayName: 'Roma', parent: 'archive' })
  t.match((await ask(`me/mailFolders/${folder.id}`)).body, { displayName: 'Roma', totalItemCount: 1 })
  t.equal((await control('DELETE', `/${ADDRESS}/messages/${body.id}`)).status, 200)
  t.equal((await ask(`me/messages/${body.id}`)).status, 404)
  await control('DELETE', `/${ADDRESS}/folders/${folder.id}`)
  t.equal((await ask(`me/mailFolders/${folder.id}`)).status, 404)

  await control('POST', `/${ADDRESS}/expire-delta?folder=inbox`)
  t.equal((await ask(deltaLink)).status, 410)
  await control('POST', `/${ADDRESS}/expire-tokens`)
  t.equal((await ask('me')).status, 401)
  const refresh = async () => sim.tokens.readRefresh(`simulated:${ADDRESS}`)
  await control('POST', `/${ADDRESS}/revoke`)
  t.equal(await refresh(), 'revoked')
  await control('POST', `/${ADDRESS}/restore`)
  await control('POST', `/${ADDRESS}/lapse-grant`)
  t.equal(await refresh(), 'expired')

  t.equal((await control('POST', `/${ADDRESS}/lifecycle?event=missed`)).status, 200)
  t.equal((await control('POST', `/${ADDRESS}/lapse-subscriptions`)).status, 200)
  for (const [method, path, json] of [
    ['POST', '/nobody@example.org/messages', MAIL],
    ['DELETE', `/${ADDRESS}/messages/nothing`, undefined],
    ['POST', `/${ADDRESS}/messages/nothing/move?to=archive`, undefined],
    ['DELETE', `/${ADDRESS}/folders/nothing`, undefined],
  ] as const)
    t.equal((await control(method, path, json)).status, 404, path)
  t.equal((await control('POST', `/${ADDRESS}/lifecycle?event=odd`)).status, 400)
  t.equal((await control('DELETE', `/${ADDRESS}/folders/inbox`)).status, 400, 'every mailbox has one')
  t.equal((await control('PATCH', `/${ADDRESS}/folders/archive`, { parent: 'archive' })).status, 400)
  t.equal((await control('PATCH', `/${ADDRESS}/messages/x`, { read: true })).status, 400)
})

t.test('settings are read and changed over HTTP', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  const send = async (method: string, path: string, json?: object) => {
    const response = await fetch(`${sim.url}/control/graph/${path}`, {
      method,
      ...(json ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) } : {}),
    })
    return (await response.json()) as Record<string, unknown>
  }
  t.match(await send('PUT', 'throttling', { requests: 1 }), { settings: { requests: 1 }, mailboxes: { [ADDRESS]: {} } })
  await ask('me')
  t.equal((await ask('me')).status, 429)
  t.match(await send('DELETE', 'throttling'), { settings: null, total: { requests: 2, refused: { requests: 1 } } })
  t.match(await send('PUT', 'quirks', { emptyPages: true }), { emptyPages: true, partialReads: true })
  t.equal(sim.quirks.emptyPages, true)
  t.match(await send('PUT', 'faults', { rates: { reset: 0.5 } }), { rates: { reset: 0.5 } })
  t.match(await send('PUT', 'faults', { rates: { nothing: 1 } }), { error: { code: 'BadRequest' } })
  t.same((await send('PUT', 'faults', {})).rates, {})
  const to = 'http://127.0.0.1:1'
  const reported = await send('PUT', 'notifications', { to, loss: 1 })
  t.match(reported, { settings: { to, loss: 1 } })
  t.same(reported.subscriptions, [])
  t.match(await send('PUT', 'oauth', { auto: true, clientSecret: 's', accessTokenSeconds: 5, singleUse: true }), {
    auto: true,
    clientSecret: 's',
  })
  t.match([sim.consent, sim.tokens.lifetime(), sim.tokens.singleUse()], [{ auto: true, clientSecret: 's' }, 5, true])
  t.match(await send('GET', 'calls'), { profile: 2, token: 1 })
  await send('POST', 'expire-tokens')
  t.equal((await ask('me')).status, 401)
})

t.test('both simulators serve one port, or one each', async t => {
  const mailboxes = { gmail: [mailboxOf(3)], graph: [memoryMailbox('bo@example.org', [])] }
  const one = await startSimulators({ profile: 'instant', ...mailboxes })
  t.teardown(() => one.close())
  t.equal(one.graph.url, one.gmail.url)
  const get = async (path: string) => (await fetch(`${one.url}${path}`)).json()
  t.same(await get('/control/mailboxes'), [{ address: ADDRESS, messages: 3 }])
  t.same(await get('/control/graph/mailboxes'), [{ address: 'bo@example.org', messages: 0 }])
  t.match(await get('/v1.0/me'), { error: { code: 'InvalidAuthenticationToken' } })
  t.match(await get('/gmail/v1/users/me/profile'), { error: { status: 'UNAUTHENTICATED' } })
  t.match(await get('/oauth2/v3/certs'), { keys: [{ kty: 'RSA' }] })
  t.match(await get('/common/discovery/v2.0/keys'), { keys: [{ kty: 'RSA' }] })
  t.match([one.gmail.calls(), one.graph.calls()], [{ total: 1 }, { total: 1 }], 'each counts its own')
  one.graph.deliver('bo@example.org', MAIL)
  t.match(one.graph.mailboxes(), [{ messages: 1 }])
  t.match(one.gmail.mailboxes(), [{ messages: 3 }])

  const two = await startSimulators({ profile: 'instant', ...mailboxes, graphPort: 0 })
  t.teardown(() => two.close())
  t.not(two.graph.url, two.gmail.url)
  t.equal((await fetch(`${two.gmail.url}/v1.0/me`)).status, 404)
  t.equal((await fetch(`${two.graph.url}/v1.0/me`)).status, 401)
  const taken = Number(new URL(two.gmail.url).port)
  await t.rejects(startSimulators({ profile: 'instant', ...mailboxes, port: taken, graphPort: 0 }), {
    code: 'EADDRINUSE',
  })
  await t.rejects(startSimulators({ profile: 'instant', ...mailboxes, port: taken }), { code: 'EADDRINUSE' })
})
