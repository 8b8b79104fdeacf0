import t from 'tap'
import { ADDRESS, mailboxOf } from './client.ts'
import { graphConnected, IMMUTABLE } from './graph-client.ts'

const get = (id: string, url: string, more: object = {}) => ({ id, method: 'GET', url, ...more })

t.test('a batch is always a 200, and each part has its own headers', async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(4))
  const { deltaLink } = await all('me/mailFolders/inbox/messages/delta', IMMUTABLE)
  const [id = ''] = sim.mailbox(ADDRESS).ids()
  const { status, body } = await ask('$batch', {
    method: 'POST',
    json: {
      requests: [
        get('a', `/me/messages/${id}?$select=subject`, { headers: { Prefer: IMMUTABLE } }),
        get('b', `me/messages/${id}?$select=subject`),
        get('c', '/v1.0/me/mailFolders/inbox?$select=id'),
        get('d', deltaLink.replace(sim.url, '')),
        get('e', '/me/messages/nothing'),
      ],
    },
  })
  t.equal(status, 200)
  const byId = Object.fromEntries(body.responses.map(response => [response.id, response]))
  t.equal(byId.a?.body.id, id)
  t.equal(byId.a?.headers['Preference-Applied'], IMMUTABLE)
  t.not(byId.b?.body.id, id)
  t.equal(byId.c?.body.id, sim.mailbox(ADDRESS).folderId('inbox'))
  t.match(byId.d?.body['@odata.deltaLink'], new RegExp(`^${sim.url}/v1.0/me/`))
  t.equal(byId.e?.status, 400)
  t.equal(byId.e?.body.error.code, 'ErrorInvalidIdMalformed')
})

t.test('a part that depends on a failed one gets 424', async t => {
  const { ask } = await graphConnected(t, mailboxOf(1))
  const { body } = await ask('$batch', {
    method: 'POST',
    json: {
      requests: [
        get('1', '/me'),
        get('2', '/me/messages/x', { dependsOn: ['1'] }),
        get('3', '/me', { dependsOn: ['2'] }),
        get('4', '/me', { dependsOn: ['3'] }),
        get('5', '/me', { dependsOn: ['1'] }),
      ],
    },
  })
  t.same(Object.fromEntries(body.responses.map(({ id, status }) => [id, status])), {
    1: 200,
    2: 400,
    3: 424,
    4: 424,
    5: 200,
  })
})

t.test('a batch that breaks a rule is refused as a whole', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  const post = async (json: unknown) => (await ask('$batch', { method: 'POST', json })).status
  const many = (count: number) => ({ requests: Array.from({ length: count }, (_, id) => get(`${id}`, '/me')) })
  t.equal(await post(many(20)), 200)
  t.equal(await post(many(21)), 400)
  t.equal(await post(many(0)), 400)
  t.equal(await post({}), 400)
  t.equal(await post({ requests: [get('1', '/me'), get('1', '/me')] }), 400)
  t.equal(await post({ requests: [get('1', '/me', { dependsOn: ['2'] }), get('2', '/me')] }), 400)
  t.equal(await post({ requests: [get('1', `${sim.url}/v1.0/me`)] }), 400)
  t.equal((await fetch(`${sim.url}/v1.0/$batch`, { method: 'POST' })).status, 401)
})
