import t, { type Test } from 'tap'
import { MailError } from '../../../shared/error.ts'
import type { Call } from '../../../shared/mailbox.ts'
import { graphClient } from '../../../shared/outlook/client.ts'
import { type Notifying, stopWatching, watchMailbox } from '../../../shared/outlook/subscription.ts'
import { startGraphSubscriptions } from '../../support/graph-subscriptions.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const NOTIFY: Notifying = {
  notificationUrl: 'https://mail.example.com/outlook/notifications',
  lifecycleUrl: 'https://mail.example.com/outlook/lifecycle',
  clientState: 'state-of-bo',
}

t.test('a subscription is created complete and stored', async t => {
  const { graph, watch, memory, clock, metered } = await open(t)
  const made = await watch()
  t.same(graph.asked, ['POST /v1.0/subscriptions IdType="ImmutableId"'])
  const [ordered] = [...graph.kept.values()]
  t.match(ordered, {
    id: memory.held?.id,
    changeType: 'created,updated,deleted',
    resource: '/me/messages',
    notificationUrl: NOTIFY.notificationUrl,
    lifecycleNotificationUrl: NOTIFY.lifecycleUrl,
    clientState: 'state-of-bo',
  })
  t.same(made, { expiresAt: Date.parse(ordered?.expirationDateTime ?? ''), recreated: true })
  const lasts = made.expiresAt - clock.ms
  t.ok(lasts < 10_080 * MINUTE_MS && lasts > 6.9 * DAY_MS, 'a little less than the maximum')
  t.same(metered, ['watch 1'])
  t.notMatch(JSON.stringify(memory.held), /state-of-bo/, 'the secret is not stored')
})

t.test('a renewal takes one request and creates nothing', async t => {
  const { graph, watch, memory, clock } = await open(t)
  const first = await watch()
  const id = memory.held?.id
  clock.ms += DAY_MS
  const again = await watch()
  t.same(again, { expiresAt: first.expiresAt + DAY_MS })
  t.same(graph.asked.slice(1), [`PATCH /v1.0/subscriptions/${id}`])
  t.equal(memory.held?.id, id)
  t.equal(graph.kept.size, 1)
})

t.test('a subscription that Graph lost is recreated in the same call', async t => {
  const { graph, watch, memory, metered } = await open(t)
  await watch()
  const old = memory.held?.id
  graph.kept.clear()
  t.match(await watch(), { recreated: true })
  t.equal(graph.asked.length, 3)
  t.equal(metered.length, 3, 'each request is metered')
  t.not(memory.held?.id, old)
  t.ok(graph.kept.has(memory.held?.id ?? ''))
})

t.test('a changed address, clientState or mailbox recreates the subscription', async t => {
  const { graph, watch } = await open(t)
  await watch()
  const changes = [
    { notificationUrl: 'https://b.example.com/n' },
    { lifecycleUrl: 'https://b.example.com/l' },
    { clientState: 'x' },
  ]
  for (const change of changes) t.match(await watch({ ...NOTIFY, ...change }), { recreated: true })
  t.match(await watch(NOTIFY, '/users/bo@example.com'), { recreated: true })
  t.same(new Set(graph.asked), new Set(['POST /v1.0/subscriptions IdType="ImmutableId"']))
  t.equal([...graph.kept.values()].at(-1)?.resource, '/users/bo@example.com/messages')
})

t.test("a proxy's 404 or another failure recreates nothing", async t => {
  const { graph, watch, memory } = await open(t)
  await watch()
  const held = memory.held
  const answers = [
    { status: 404, body: '<html>', kind: 'unavailable' },
    { status: 503, body: {}, kind: 'unavailable' },
    { status: 429, body: {}, headers: { 'retry-after': '7' }, kind: 'throttled' },
    { status: 401, body: { error: { code: 'InvalidAuthenticationToken' } }, kind: 'unauthorized' },
    { status: 200, body: {}, kind: 'unparsable' },
    { status: 200, body: { id: 'a', expirationDateTime: 'soon' }, kind: 'unparsable' },
  ]
  for (const { kind, ...answer } of answers) {
    graph.instead = () => answer
    const before = graph.asked.length
    t.equal((await failure(watch())).kind, kind)
    t.equal(graph.asked.length, before + 1, 'nothing else is sent')
  }
  t.same(memory.held, held)
  t.equal(graph.kept.size, 1)
})

t.test('a failed creation names the setting to change', async t => {
  const { graph, watch, memory } = await open(t)
  t.match(await failure(watch('nowhere')), { kind: 'misconfigured', message: /set OUTLOOK_NOTIFICATION_URL/ })
  t.same(graph.asked, [])
  graph.instead = () => ({ status: 400, body: { error: { code: 'ValidationError', message: 'no https://secret' } } })
  const refused = await failure(watch())
  t.match(refused, {
    kind: 'misconfigured',
    message: /must be reachable from the internet at OUTLOOK_NOTIFICATION_URL/,
  })
  t.notMatch(refused.message, /secret|state-of-bo/)
  t.equal(memory.held, undefined)
})

t.test('ending takes one request, or none without a subscription', async t => {
  const { graph, watch, stop, memory } = await open(t)
  await stop()
  t.same(graph.asked, [])
  t.match(await failure(stop(AbortSignal.abort())), { kind: 'unavailable', message: /cancelled before/ })
  await watch()
  await stop()
  t.equal(graph.kept.size, 0)
  t.equal(memory.held, undefined)
  await watch()
  graph.kept.clear()
  await stop()
  t.equal(memory.held, undefined, 'a missing one counts as ended')
  await watch()
  graph.instead = () => ({ status: 503, body: {} })
  t.equal((await failure(stop())).kind, 'unavailable')
  t.ok(memory.held, 'one that may still exist stays stored')
})

async function open(t: Test) {
  const graph = await startGraphSubscriptions()
  t.teardown(() => graph.close())
  const clock = { ms: Date.parse('2026-11-23T09:30:00Z') }
  const tokens = { get: async () => 'token', refused: async () => false }
  const client = graphClient({ tokens, rootUrl: graph.rootUrl, http })
  const memory = heldSubscription()
  const metered: string[] = []
  const call: Call = {
    signal: new AbortController().signal,
    meter: (kind, units) => void metered.push(`${kind} ${units}`),
  }
  const options = (user = '/me') => ({ name: 'outlook:bo@example.com', client, user, memory, now: () => clock.ms })
  return {
    graph,
    clock,
    memory,
    metered,
    watch: (notify: Notifying | 'nowhere' = NOTIFY, user?: string) =>
      watchMailbox(options(user), notify === 'nowhere' ? undefined : notify, call),
    stop: (signal = call.signal) => stopWatching(options(), { ...call, signal }),
  }
}

async function failure(work: Promise<unknown>): Promise<MailError> {
  const thrown = await work.then(
    () => undefined,
    error => error,
  )
  if (thrown instanceof MailError) return thrown
  throw new Error(`expected a MailError, got ${thrown}`)
}
