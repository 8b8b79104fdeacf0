import t, { type Test } from 'tap'
import { notifyingOf } from '../../../pipeline/accounts/providers/outlook-notify.ts'
import { readConfig } from '../../../shared/config.ts'
import type { Call } from '../../../shared/mailbox.ts'
import { graphClient } from '../../../shared/outlook/client.ts'
import { watchMailbox } from '../../../shared/outlook/subscription.ts'
import { readDue, subscriptionMemory } from '../../../shared/redis/subscriptions.ts'
import { eventsOf, openGateway } from '../../support/gateway.ts'
import { startGoogleKeys } from '../../support/google-keys.ts'
import { BO, CLIENT_STATE, CY, changeOf, lifecycleOf, subscribe } from '../../support/graph-notifications.ts'
import { startGraphSubscriptions } from '../../support/graph-subscriptions.ts'
import { freePort, startRedis } from '../../support/redis.ts'
import { http } from '../../support/surroundings.ts'

const redis = await startRedis()
const google = await startGoogleKeys()
t.teardown(async () => {
  await google.close()
  await redis.stop()
})

const call: Call = { signal: new AbortController().signal, meter: () => undefined }

t.test('the gateway validates a new subscription and accepts its notifications', async t => {
  const { app, graph, watch } = await open(t)
  t.match(await watch(), { recreated: true })
  const [ordered] = [...graph.kept.values()]
  const { id = '', clientState = '', notificationUrl = '', lifecycleNotificationUrl = '' } = ordered ?? {}
  const post = (url: string, item: object) => fetch(url, { method: 'POST', body: JSON.stringify({ value: [item] }) })
  t.equal((await post(notificationUrl, changeOf(id, clientState))).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1)
  t.equal((await post(lifecycleNotificationUrl, lifecycleOf(id, clientState, 'reauthorizationRequired'))).status, 202)
  t.match(await readDue(app.redis, app.keys), [{ id, due: 'renew', mailbox: BO }])
  await subscribe(app, CY, 'of-cy')
  await post(notificationUrl, changeOf('of-cy', clientState))
  t.same(await eventsOf(app, CY), [], 'the clientState is good for this mailbox alone')
})

t.test('a new secret recreates the subscription and invalidates the old one', async t => {
  const { app, graph, watch, post } = await open(t)
  await watch({ secret: 'a secret that was there before' })
  const [old] = [...graph.kept.values()]
  await post(changeOf(old?.id ?? '', old?.clientState))
  t.same(await eventsOf(app, BO), [])
  t.match(await watch(), { recreated: true })
  const made = [...graph.kept.values()].at(-1)
  await post(changeOf(made?.id ?? '', made?.clientState))
  t.equal((await eventsOf(app, BO)).length, 1)
})

t.test('an unreachable gateway causes an error with a remedy', async t => {
  const { watch, graph } = await open(t)
  const base = `http://127.0.0.1:${await freePort()}`
  await t.rejects(watch({ base }), { message: /must be reachable from the internet at OUTLOOK_NOTIFICATION_URL/ })
  t.equal(graph.kept.size, 0)
})

t.test('notifications require an https address and a secret', async t => {
  const of = (settings: Record<string, string>, simUrl?: string) => notifyingOf(readConfig(settings), simUrl, BO)
  const secret = { OUTLOOK_CLIENT_STATE: CLIENT_STATE }
  t.equal(of(secret), undefined)
  const base = 'https://mail.example.com'
  for (const url of [base, `${base}/`]) {
    t.match(of({ ...secret, OUTLOOK_NOTIFICATION_URL: url }), {
      notificationUrl: `${base}/outlook/notifications`,
      lifecycleUrl: `${base}/outlook/lifecycle`,
      clientState: /^[\w-]{43}$/,
    })
  }
  t.ok(of({ ...secret, OUTLOOK_NOTIFICATION_URL: 'http://127.0.0.1:8080' }, 'http://127.0.0.1:9000'))
  t.throws(() => of({ ...secret, OUTLOOK_NOTIFICATION_URL: 'http://mail.example.com' }), {
    message: /must begin with https/,
  })
  t.throws(() => of({ OUTLOOK_NOTIFICATION_URL: base }), { message: /set MAILBOXES_KEY or OUTLOOK_CLIENT_STATE/ })
  for (const url of [
    `${base}/path`,
    `${base}?a=b`,
    'https://user:pw@mail.example.com',
    'ftp://mail.example.com',
    'mail',
  ]) {
    const refused = /OUTLOOK_NOTIFICATION_URL: its value is not allowed; use an https address without a path/
    t.throws(() => readConfig({ OUTLOOK_NOTIFICATION_URL: url }), { message: refused })
  }
  const short = /^OUTLOOK_CLIENT_STATE: its value is not allowed; use a secret of at least 16 characters$/
  t.throws(() => readConfig({ OUTLOOK_CLIENT_STATE: 'hunter2' }), { message: short })
})

async function open(t: Test) {
  const graph = await startGraphSubscriptions()
  graph.shakesHands = true
  t.teardown(() => graph.close())
  const gateway = await openGateway(t, redis.url, google, { settings: { OUTLOOK_CLIENT_STATE: CLIENT_STATE } })
  const { app, url } = gateway
  await subscribe(app, BO, 'before')
  const memory = subscriptionMemory(app.redis, app.keys, BO)
  const tokens = { get: async () => 'token', refused: async () => false }
  const client = graphClient({ tokens, rootUrl: graph.rootUrl, http })
  return {
    ...gateway,
    graph,
    watch({ secret = CLIENT_STATE, base = url } = {}) {
      const config = readConfig({ OUTLOOK_NOTIFICATION_URL: base, OUTLOOK_CLIENT_STATE: secret })
      const notify = notifyingOf(config, graph.rootUrl, BO)
      return watchMailbox({ name: BO, client, user: '/me', memory, now: Date.now }, notify, call)
    },
    post: (item: object) =>
      fetch(`${url}/outlook/notifications`, { method: 'POST', body: JSON.stringify({ value: [item] }) }),
  }
}
