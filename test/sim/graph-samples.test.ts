import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { ADDRESS, corpus, mailboxOf } from './client.ts'
import { graphConnected } from './graph-client.ts'

interface Sample {
  blocks: { heading: string; head?: string | null; json?: Record<string, unknown> }[]
}

const samplesOf = (name: string) => JSON.parse(readFileSync(corpus(name).path, 'utf8')) as Sample
const jsonUnder = (name: string, heading: RegExp) =>
  samplesOf(name).blocks.find(block => block.json && heading.test(block.heading))?.json ?? {}

/** Returns the shape of JSON: nested names, without the values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return [shapeOf(value[0])]
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(
    Object.entries(value)
      .sort()
      .map(([name, within]) => [name, shapeOf(within)]),
  )
}

const DELTA = 'api/graph-docs-delta-query-messages.json'
t.test('deltas have the shapes of Microsoft’s samples', { skip: corpus(DELTA).skip }, async t => {
  const { sim, ask, all } = await graphConnected(t, mailboxOf(4))
  const path = 'me/mailfolders/inbox/messages/delta?$select=subject,sender,isRead'
  const first = await ask(path, { prefer: 'odata.maxpagesize=2' })
  t.same(shapeOf(first.body), shapeOf(jsonUnder(DELTA, /Sample initial response/)))
  const { deltaLink } = await all(path)
  const [gone = '', changed = ''] = sim.mailbox(ADDRESS).ids()
  sim.mailbox(ADDRESS).delete(gone)
  sim.mailbox(ADDRESS).mark(changed, { flagged: true })
  sim.quirks.stringFlags = true
  const sample = jsonUnder(DELTA, /next round/) as { value: unknown[] }
  const later = await ask(deltaLink)
  t.same(shapeOf({ ...later.body, value: [] }), shapeOf({ ...sample, value: [] }))
  t.same(later.body.value.map(shapeOf), sample.value.map(shapeOf))
})

const BATCH = 'api/graph-batch-responses-dotnet-core.json'
t.test('the parts of a batch have the headers of a recorded one', { skip: corpus(BATCH).skip }, async t => {
  const { ask } = await graphConnected(t, mailboxOf(1))
  const json = { requests: [{ id: '1', method: 'GET', url: '/me' }] }
  const [part] = (await ask('$batch', { method: 'POST', json })).body.responses
  const recorded = readFileSync(corpus(BATCH).path, 'utf8')
  for (const name of Object.keys(part?.headers ?? {})) t.ok(recorded.includes(`"${name}":`), name)
  t.ok(recorded.includes(part?.headers['Content-Type'] ?? 'nothing'))
})

const THROTTLING = 'api/graph-docs-throttling.json'
t.test('a throttled answer equals Microsoft’s sample', { skip: corpus(THROTTLING).skip }, async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  sim.faults.set({ rates: { throttled: 1 }, retryAfterSeconds: 2.128 })
  const [sample] = samplesOf(THROTTLING).blocks
  const { status, headers, body } = await ask('me')
  t.match(sample?.head, `HTTP/1.1 ${status}`)
  t.match(sample?.head, `Retry-After: ${headers.get('retry-after')}`)
  const { error } = (sample?.json ?? {}) as { error: { code: string; message: string; innerError: object } }
  t.match(body.error, { code: error.code, message: error.message })
  t.same(
    Object.keys(error.innerError).filter(name => !(name in body.error.innerError)),
    [],
  )
})

const PUSH = 'api/graph-docs-webhooks.json'
const LIFECYCLE = 'api/graph-docs-webhooks-lifecycle.json'
t.test(
  'notifications have the shapes of Microsoft’s samples',
  { skip: corpus(PUSH).skip || corpus(LIFECYCLE).skip },
  async t => {
    const bodies: Promise<string>[] = []
    const receiver = createServer((request, response) => {
      const token = new URL(request.url ?? '', 'http://localhost').searchParams.get('validationToken')
      if (token === null) bodies.push(request.toArray().then(chunks => Buffer.concat(chunks).toString()))
      response.setHeader('content-type', 'text/plain').end(token ?? '')
    }).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    t.teardown(() => receiver.closeAllConnections())
    t.teardown(() => receiver.close())
    const { sim, ask } = await graphConnected(t, mailboxOf(1))
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
    const wanted = jsonUnder(LIFECYCLE, /Subscription request/)
    const expirationDateTime = new Date(Date.now() + 3_600_000).toISOString()
    const json = {
      ...wanted,
      resource: 'me/messages',
      expirationDateTime,
      notificationUrl: url,
      lifecycleNotificationUrl: url,
    }
    t.equal((await ask('subscriptions', { method: 'POST', json })).status, 201)
    const published = async (what: () => void) => {
      const next = once(receiver, 'request')
      what()
      await next
      return JSON.parse((await bodies.at(-1)) ?? '{}')
    }
    const created = await published(() => sim.deliver(ADDRESS, 'Subject: new\r\n\r\nText.\r\n'))
    t.same(shapeOf(created), shapeOf(jsonUnder(PUSH, /notification example/)))
    const missed = await published(() => sim.subscriptions.notify('missed'))
    t.same(shapeOf(missed), shapeOf(jsonUnder(LIFECYCLE, /subscriptionRemoved/)))
  },
)
