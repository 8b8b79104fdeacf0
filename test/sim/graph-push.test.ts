import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { GraphOptions } from '../../sim/graph/simulator.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { until } from '../support/until.ts'
import { ADDRESS, mailboxOf } from './client.ts'
import { askGraphToken, askingWith, clientOf, graphConnected, IMMUTABLE } from './graph-client.ts'

const OTHER = 'bo@example.org'
const MINUTE_MS = 60_000
const MAIL = 'From: bo@example.org\r\nSubject: new\r\n\r\nText.\r\n'

type Test = Parameters<typeof graphConnected>[0]

interface Notification {
  subscriptionId: string
  clientState: string
  changeType: string
  lifecycleEvent: string
  resource: string
  resourceData: { id: string }
}

/**
 * Opens a simulator, and a receiver that validates and accepts notifications; `answer` gives the status of
 * each request with notifications.
 */
async function open(t: Test, options: Partial<GraphOptions> = {}, answer: (path: string) => number = () => 202) {
  const requests: Notification[][] = []
  const echo = { type: 'text/plain; charset=utf-8', text: (token: string) => token }
  const receiver = createServer(async (request, response) => {
    const token = new URL(request.url ?? '', 'http://localhost').searchParams.get('validationToken')
    if (token !== null) return response.writeHead(200, { 'content-type': echo.type }).end(echo.text(token))
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const status = answer(request.url ?? '')
    if (status < 300) requests.push(JSON.parse(Buffer.concat(chunks).toString()).value)
    return response.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  t.teardown(async () => {
    receiver.closeAllConnections()
    receiver.close()
  })
  const base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const opened = await graphConnected(t, [mailboxOf(3), memoryMailbox(OTHER, [])], options)
  const now = options.now ?? Date.now
  const wanted = (changes: object = {}) => ({
    changeType: 'created,updated,deleted',
    notificationUrl: `${base}/outlook/push`,
    resource: 'me/messages',
    expirationDateTime: new Date(now() + 600 * MINUTE_MS).toISOString(),
    clientState: 'secret',
    ...changes,
  })
  const subscribe = (changes: object = {}, prefer = IMMUTABLE) =>
    opened.ask('subscriptions', { method: 'POST', json: wanted(changes), prefer })
  const arrived = async (count: number) => {
    await until(() => requests.flat().length >= count, `${count} notifications`)
    return requests.flat().splice(0, count)
  }
  return { ...opened, base, echo, wanted, subscribe, requests, arrived }
}

t.test('subscribers are notified of new, changed, moved and deleted mail', async t => {
  const { sim, subscribe, arrived, requests } = await open(t)
  const { status, body } = await subscribe()
  t.equal(status, 201)
  t.match(body, { resource: 'me/messages', changeType: 'created,updated,deleted', clientState: 'secret' })
  const box = sim.mailbox(ADDRESS)
  const { id } = sim.deliver(ADDRESS, MAIL)
  await arrived(1)
  box.mark(id, { isRead: true })
  await arrived(2)
  box.move('archive', id)
  await arrived(3)
  box.delete(id)
  sim.deliver(OTHER, MAIL)
  const notified = await arrived(4)
  t.same(
    notified.map(({ changeType }) => changeType),
    ['created', 'updated', 'updated', 'deleted'],
  )
  t.match(notified[0], {
    subscriptionId: body.id,
    clientState: 'secret',
    subscriptionExpirationDateTime: /^\d{4}-/,
    tenantId: /^[\w-]{36}$/,
    resource: new RegExp(`^Users/[\\w-]{36}/Messages/${id}$`),
    resourceData: { id, '@odata.type': '#Microsoft.Graph.Message', '@odata.id': /^Users/, '@odata.etag': /^W/ },
  })
  t.equal(requests.length, 4)
  await until(() => sim.notifications.counts().pending === 0, 'all were sent')
  t.match(sim.notifications.counts(), { published: 4, delivered: 4 })
})

t.test('usual ids report a move as two changes; subscriptions can be narrowed', async t => {
  const { sim, subscribe, arrived } = await open(t)
  await subscribe({ changeType: 'created,deleted' }, '')
  const inbox = await subscribe({
    resource: "/users/ana@example.com/mailFolders('inbox')/messages",
    changeType: 'deleted',
  })
  t.equal(inbox.status, 201)
  const box = sim.mailbox(ADDRESS)
  const [id = ''] = box.ids()
  const before = box.usualId(id)
  box.move('archive', id)
  const notified = await arrived(3)
  t.same(
    notified.map(({ changeType, resourceData }) => `${changeType} ${resourceData.id}`).sort(),
    [`created ${box.usualId(id)}`, `deleted ${before}`, `deleted ${id}`].sort(),
  )
})

t.test('an address that does not echo the token is refused, like other faults', async t => {
  const { sim, subscribe, echo, base } = await open(t)
  const refused = async (what: string, changes: object, message: RegExp) => {
    const { status, body } = await subscribe(changes)
    t.equal(status, 400, what)
    t.match(body.error.message, message, what)
  }
  const later = (minutes: number) => ({ expirationDateTime: new Date(Date.now() + minutes * MINUTE_MS).toISOString() })
  await refused('too long', later(10_082), /10080 minutes/)
  await refused('over', later(-1), /in the past/)
  await refused('no kind', { changeType: 'made' }, /changeType made/)
  await refused('clientState', { clientState: 'x'.repeat(129) }, /128/)
  await refused('events', { resource: 'me/events' }, /not simulated/)
  await refused('rich', { includeResourceData: true }, /includeResourceData/)
  await refused('elsewhere', { notificationUrl: 'https://example.com/push' }, /this machine only/)
  await refused('nobody there', { notificationUrl: 'http://127.0.0.1:1/push' }, /validation request failed/)
  await refused('lifecycle', { lifecycleNotificationUrl: 'http://127.0.0.1:1/push' }, /validation request failed/)
  echo.text = token => encodeURIComponent(token)
  await refused('not decoded', {}, /validation request failed/)
  echo.text = token => token
  echo.type = 'application/json'
  await refused('no text', {}, /validation request failed/)
  t.equal((await subscribe({ resource: `users/${OTHER}/messages` })).status, 403)
  t.same(sim.subscriptions.list('all'), [])
  echo.type = 'text/plain'
  sim.notifications.set({ to: base })
  t.equal(
    (await subscribe({ notificationUrl: 'https://mail.example.com/outlook/push' })).status,
    201,
    'redirected here',
  )
})

t.test('a subscription is renewed, expires, and is visible only to its owner', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, ask, subscribe, wanted } = await open(t, { now: () => nowMs })
  const { body: made } = await subscribe()
  const at = (minutes: number) => ({ expirationDateTime: new Date(nowMs + minutes * MINUTE_MS).toISOString() })
  const patch = (json: object) => ask(`subscriptions/${made.id}`, { method: 'PATCH', json })
  t.equal((await patch(at(10_000))).body.expirationDateTime, at(10_000).expirationDateTime)
  t.equal((await patch(at(1))).body.expirationDateTime, at(45).expirationDateTime, 'at least 45 minutes')
  t.equal((await patch(at(10_081))).status, 400)
  t.equal((await patch({ notificationUrl: 'http://127.0.0.1:1' })).status, 400)
  t.equal((await ask(`subscriptions/${made.id}/reauthorize`, { method: 'POST' })).status, 204)
  t.same(
    (await ask('subscriptions')).body.value.map(({ id }) => id),
    [made.id],
  )
  const other = await clientOf(sim, `simulated:${OTHER}`)
  t.same((await other('subscriptions')).body.value, [])
  t.equal((await other(`subscriptions/${made.id}`, { method: 'DELETE' })).status, 404)

  const form = { grant_type: 'client_credentials', client_secret: 'x', scope: 'https://graph.microsoft.com/.default' }
  const app = askingWith(sim, (await askGraphToken(sim, form, 'example.com')).body.access_token)
  const byApp = await app('subscriptions', { method: 'POST', json: wanted({ resource: `users/${OTHER}/messages` }) })
  t.equal(byApp.status, 201)
  t.equal((await app(`subscriptions/${byApp.body.id}`, { method: 'DELETE' })).status, 204)
  t.same((await app('subscriptions')).body.value, [])

  nowMs += 46 * MINUTE_MS
  const again = await clientOf(sim, `simulated:${ADDRESS}`)
  t.equal((await again(`subscriptions/${made.id}`, { method: 'PATCH', json: at(100) })).status, 404)
  sim.deliver(ADDRESS, MAIL)
  t.equal(sim.notifications.counts().published, 0, 'nobody is notified any more')
})

t.test('notifications are retried until accepted; losses, duplicates and gathering are settings', async t => {
  let failing = 2
  const { sim, subscribe, arrived, requests } = await open(t, { speed: 100 }, () => (failing-- > 0 ? 503 : 202))
  await subscribe()
  sim.deliver(ADDRESS, MAIL)
  await arrived(1)
  t.equal(sim.notifications.counts().refused, 2)
  sim.notifications.set({ dropNext: 1, duplicateNext: 1 })
  sim.deliver(ADDRESS, MAIL)
  const { id } = sim.deliver(ADDRESS, MAIL)
  const [, one, two] = await arrived(3)
  t.equal(one?.resourceData.id, id)
  t.same(one, two)
  t.equal(sim.notifications.counts().dropped, 1)
  sim.notifications.set({ loss: 1 })
  sim.deliver(ADDRESS, MAIL)
  t.equal(sim.notifications.counts().dropped, 2)
  const before = requests.length
  sim.notifications.set({ loss: 0, gatherMs: 2000 })
  for (let count = 0; count < 5; count++) sim.deliver(ADDRESS, MAIL)
  await arrived(8)
  t.equal(requests.length, before + 1, 'five in one request')
})

t.test('lifecycle notifications report events of a subscription', async t => {
  const { sim, base, subscribe, arrived } = await open(t, { speed: 100_000 }, path =>
    path === '/outlook/push' ? 503 : 202,
  )
  const { body } = await subscribe({ lifecycleNotificationUrl: `${base}/outlook/lifecycle` })
  sim.subscriptions.notify('missed', ADDRESS)
  t.match(await arrived(1), [{ subscriptionId: body.id, clientState: 'secret', lifecycleEvent: 'missed' }])
  sim.tokens.expire(ADDRESS)
  t.match((await arrived(2))[1], { lifecycleEvent: 'reauthorizationRequired' })
  sim.deliver(ADDRESS, MAIL)
  t.match((await arrived(3))[2], { lifecycleEvent: 'missed' }, 'an undelivered one is missed')
  sim.tokens.revoke(ADDRESS)
  t.match((await arrived(4))[3], { lifecycleEvent: 'subscriptionRemoved' })
  t.same(sim.subscriptions.list('all'), [])
})
