import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { connectMailbox } from '../../shared/redis/mailboxes.ts'
import { markDue } from '../../shared/redis/subscriptions.ts'
import { BO, CLIENT_STATE, stateOf } from '../support/graph-notifications.ts'
import { startGraphSubscriptions } from '../support/graph-subscriptions.ts'
import { startMicrosoft } from '../support/microsoft.ts'
import { inTurn, lastJson, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const redis = await startRedis()
const graph = await startGraphSubscriptions()
const microsoft = await startMicrosoft()
const front = await startFront()
t.teardown(async () => {
  await front.close()
  await microsoft.close()
  await graph.close()
  await redis.stop()
})

const environment = {
  REDIS_URL: redis.url,
  REDIS_PREFIX: 'outlook',
  PARTITIONS: '2',
  SIM_URL: front.url,
  OUTLOOK_NOTIFICATION_URL: 'http://127.0.0.1:9',
  OUTLOOK_CLIENT_STATE: CLIENT_STATE,
}
const keys = createKeys('outlook', 2)
await redis.client.set(keys.layout, '2')

t.beforeEach(async () => {
  await connectMailbox(redis.client, keys, BO, 'pinned:0', Date.now())
  graph.kept.clear()
  graph.asked.length = 0
})

t.test('watch and unwatch call Graph, and status shows the result', async t => {
  t.match(await inTurn(['watch', BO], environment), {
    code: 0,
    stdout: /outlook:bo@example.com: watched until 20\d\d-/,
  })
  const [ordered] = [...graph.kept.values()]
  t.match(ordered, { notificationUrl: 'http://127.0.0.1:9/outlook/notifications', clientState: stateOf(BO) })
  t.match((await inTurn(['status'], environment)).stdout, /outlook:bo@example.com[^\n]*until 20\d\d-\d\d-\d\d/)
  await inTurn(['watch', BO], environment)
  t.match(graph.asked.at(-1), `PATCH /v1.0/subscriptions/${ordered?.id}`)
  t.match(lastJson(await inTurn(['unwatch', BO, '--json'], environment)), { mailbox: BO, watched: false })
  t.equal(graph.kept.size, 0)
  t.match((await inTurn(['status'], environment)).stdout, /outlook:bo@example.com[^\n]*off/)
  const { OUTLOOK_NOTIFICATION_URL: _, ...without } = environment
  t.match(await inTurn(['watch', BO], without), { code: 2, stderr: /no address is set; set OUTLOOK_NOTIFICATION_URL/ })
})

t.test('removing a mailbox without its own grant ends its subscription', async t => {
  await inTurn(['watch', BO], environment)
  t.equal(graph.kept.size, 1)
  t.match(await inTurn(['remove', BO, '--yes'], environment), { code: 0, stdout: /removed: / })
  t.equal(graph.kept.size, 0)
  t.equal(await redis.client.exists(keys.subscriptions), 0)
})

t.test('the keeper subscribes and handles lifecycle events within a round', async t => {
  const keeper = start(['keeper'], { ...environment, KEEPER_INTERVAL: '1' })
  t.teardown(() => keeper.kill('SIGKILL'))
  await until(() => graph.kept.size === 1, 'a subscription is made', 30_000)
  const [id = ''] = [...graph.kept.keys()]
  await until(() => redis.client.hexists(keys.subscriptions, id), 'it is remembered')
  await markDue(redis.client, keys, id, 'renew')
  await until(() => graph.asked.includes(`PATCH /v1.0/subscriptions/${id}`), 'it is prolonged')
  graph.kept.clear()
  await markDue(redis.client, keys, id, 'removed')
  await until(() => graph.kept.size === 1 && !graph.kept.has(id), 'it is recreated')
  keeper.kill('SIGTERM')
  t.equal((await keeper.exited).code, 0)
})

/** Serves both on one address, like a simulator. */
async function startFront() {
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/', headers } = request
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const to = url.startsWith('/v1.0/') ? new URL(graph.rootUrl).origin : microsoft.url
    const given = Object.entries(headers).filter(([name]) => /^(authorization|prefer|content-type)$/.test(name))
    const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}
    const sent = { method, headers: Object.fromEntries(given) as Record<string, string>, ...body }
    const answer = await fetch(`${to}${url}`, { ...sent, redirect: 'manual' })
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
