import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { auth } from 'googleapis/build/src/apis/gmail/index.js'
import t from 'tap'
import { until } from '../support/until.ts'
import { ADDRESS, answerOf, connected, mailboxOf, plainMail } from './client.ts'

const TOPIC = 'projects/mail/topics/gmail'
const WEEK_MS = 7 * 86_400_000
const SILENCE = 0

type Test = Parameters<typeof connected>[0]

interface Pushed {
  authorization: string
  body: { message: { data: string; messageId: string; publishTime: string }; subscription: string }
  data: { emailAddress: string; historyId: number }
}

/**
 * Opens a simulator that pushes to a receiver, which answers with the status from `answer`, or not at all.
 */
async function open(t: Test, options: Parameters<typeof connected>[2] = {}, answer = (_: number) => 204) {
  const pushed: Pushed[] = []
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = JSON.parse(Buffer.concat(chunks).toString())
    const data = JSON.parse(Buffer.from(body.message.data, 'base64').toString())
    pushed.push({ authorization: request.headers.authorization ?? '', body, data })
    const status = answer(pushed.length)
    if (status !== SILENCE) response.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  t.teardown(async () => {
    receiver.closeAllConnections()
    receiver.close()
  })
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/gmail/push`
  const opened = await connected(t, mailboxOf(3), { pushTo: { url }, ...options })
  const post = async (path: string, body?: object) => {
    const json = body && {
      body: JSON.stringify(body),
      headers: { ...opened.headers, 'content-type': 'application/json' },
    }
    const init = { method: 'POST', headers: opened.headers, ...json }
    const response = await fetch(`${opened.sim.url}/gmail/v1/users/me/${path}`, init)
    return response.status === 204 ? { status: 204, body: undefined } : answerOf(response)
  }
  return {
    ...opened,
    post,
    pushed,
    url,
    arrived: (count: number) => until(() => pushed.length >= count, `${count} pushes`),
  }
}

t.test('a watch lasts seven days, and reports its start and each change', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, post, pushed, arrived } = await open(t, { now: () => nowMs })
  const historyId = sim.mailbox(ADDRESS).historyId()
  const watched = await post('watch', { topicName: TOPIC, labelIds: ['INBOX'], labelFilterBehavior: 'INCLUDE' })
  t.match(watched, { status: 200, body: { historyId, expiration: String(nowMs + WEEK_MS) } })
  await arrived(1)
  t.match(pushed[0]?.body, {
    message: { messageId: /^\d+$/, publishTime: new Date(nowMs).toISOString() },
    subscription: 'projects/mail/subscriptions/gmail-push',
  })
  t.same(pushed[0]?.data, { emailAddress: ADDRESS, historyId: Number(historyId) })

  const delivered = sim.deliver(ADDRESS, plainMail(9).raw)
  await arrived(2)
  t.same(pushed[1]?.data, { emailAddress: ADDRESS, historyId: Number(delivered.historyId) })
  t.not(pushed[1]?.body.message.messageId, pushed[0]?.body.message.messageId)

  nowMs += WEEK_MS
  sim.deliver(ADDRESS, plainMail(10).raw)
  t.equal(sim.pushes.counts().published, 2, 'it ends at its expiry')
  t.equal(sim.watches.of(ADDRESS), undefined)
})

t.test('at most one notification a second is sent, and the excess is dropped', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, post, pushed, arrived } = await open(t, { now: () => nowMs, speed: 2 })
  await post('watch', { topicName: TOPIC })
  for (let mail = 10; mail < 15; mail++) sim.deliver(ADDRESS, plainMail(mail).raw)
  nowMs += 499
  sim.deliver(ADDRESS, plainMail(20).raw)
  nowMs += 1
  const { historyId } = sim.deliver(ADDRESS, plainMail(21).raw)
  await arrived(3)
  t.match(sim.pushes.counts(), { published: 3, tooSoon: 5 })
  t.equal(pushed.at(-1)?.data.historyId, Number(historyId))
})

t.test('labels include or exclude changes; stop ends the watch', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, post } = await open(t, { now: () => nowMs })
  const [id = ''] = sim.mailbox(ADDRESS).ids()
  const reported = () => {
    nowMs += 1000
    return sim.pushes.counts().published
  }
  await post('watch', { topicName: TOPIC, labelIds: ['STARRED'] })
  sim.deliver(ADDRESS, plainMail(9).raw)
  t.equal(reported(), 1)
  sim.mailbox(ADDRESS).modify([id], { add: ['STARRED'] })
  t.equal(reported(), 2)
  sim.mailbox(ADDRESS).modify([id], { remove: ['STARRED'] })
  t.equal(reported(), 3, 'a removed label counts')

  await post('watch', { topicName: TOPIC, labelIds: ['STARRED'], labelFilterBehavior: 'EXCLUDE' })
  t.equal(reported(), 4)
  sim.mailbox(ADDRESS).modify([id], { add: ['STARRED'] })
  t.equal(reported(), 4)
  sim.mailbox(ADDRESS).trash(sim.mailbox(ADDRESS).ids()[0] ?? '')
  t.equal(reported(), 5)
  t.equal((await post('stop')).status, 204)
  sim.mailbox(ADDRESS).trash(sim.mailbox(ADDRESS).ids()[2] ?? '')
  t.equal(reported(), 5)
})

t.test('a wrong watch is refused', async t => {
  const { post } = await open(t)
  const wrong = [
    {},
    { topicName: 'gmail' },
    { topicName: TOPIC, labelIds: ['Label_9'] },
    { topicName: TOPIC, labelFilterBehavior: 'SOME' },
  ]
  for (const body of wrong) t.match(await post('watch', body), { status: 400, body: { error: { code: 400 } } })
  t.equal((await post('watch', { topicName: TOPIC })).status, 200)
  t.match(await post('watch', { topicName: `${TOPIC}2` }), {
    status: 400,
    body: { error: { message: /^Only one user push notification client allowed per developer/ } },
  })
  t.equal((await post('watch', { topicName: TOPIC })).status, 200, 'a renewal')
})

t.test('Google’s own library accepts the token, by certificates and for its audience only', async t => {
  const { sim, post, pushed, arrived, url } = await open(t)
  await post('watch', { topicName: TOPIC })
  await arrived(1)
  const idToken = pushed[0]?.authorization.replace('Bearer ', '') ?? ''
  const client = new auth.OAuth2({ endpoints: { oauth2FederatedSignonPemCertsUrl: `${sim.url}/oauth2/v1/certs` } })
  const ticket = await client.verifyIdToken({ idToken, audience: url })
  t.match(ticket.getPayload(), {
    iss: 'https://accounts.google.com',
    aud: url,
    email: 'gmail-push@simulated.iam.gserviceaccount.com',
    email_verified: true,
  })
  await t.rejects(client.verifyIdToken({ idToken, audience: 'https://elsewhere.example.com' }), /Wrong recipient/)
  const forged = `${idToken.slice(0, idToken.lastIndexOf('.'))}.${Buffer.alloc(256, 1).toString('base64url')}`
  await t.rejects(client.verifyIdToken({ idToken: forged, audience: url }), /Invalid token signature/)
  const late = await sim.idToken({ exp: 1 })
  await t.rejects(client.verifyIdToken({ idToken: late, audience: url }), /Token used too late/)
})

t.test('certificates and keys match, and the certificates are real', async t => {
  const { sim } = await connected(t, mailboxOf(1))
  const pems = (await (await fetch(`${sim.url}/oauth2/v1/certs`)).json()) as Record<string, string>
  const { keys } = (await (await fetch(`${sim.url}/oauth2/v3/certs`)).json()) as { keys: { kid: string; n: string }[] }
  const [[kid = '', pem = ''] = []] = Object.entries(pems)
  const certificate = new X509Certificate(pem)
  t.ok(certificate.verify(certificate.publicKey), 'it is self-signed')
  t.match(certificate.subject, 'CN=federated-signon.system.gserviceaccount.com')
  t.ok(Date.parse(certificate.validTo) > Date.now() && Date.parse(certificate.validFrom) < Date.now())
  t.match(keys, [
    { kid, n: certificate.publicKey.export({ format: 'jwk' }).n ?? '', alg: 'RS256', use: 'sig', kty: 'RSA' },
  ])
  const answer = await fetch(`${sim.url}/oauth2/v1/certs`)
  t.match(answer.headers.get('cache-control'), /max-age=3600/)
  t.equal(sim.calls().total, 0, 'requests for them are not calls to Gmail')
})

t.test('a push is retried as the same message until accepted', async t => {
  const { sim, post, pushed } = await open(t, { speed: 20 }, count => (count < 4 ? 500 : 200))
  await post('watch', { topicName: TOPIC })
  await until(() => sim.pushes.counts().delivered === 1, 'it is delivered')
  t.match(sim.pushes.counts(), { published: 1, refused: 3, delivered: 1, pending: 0 })
  t.equal(new Set(pushed.map(({ body }) => body.message.messageId)).size, 1)
})

t.test('pushes can be lost, duplicated and delayed', async t => {
  const { sim, post, pushed, arrived } = await open(t, { speed: 1e6 })
  const put = async (body: object) =>
    answerOf(
      await fetch(`${sim.url}/control/pushes`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    )
  await put({ dropNext: 1 })
  await post('watch', { topicName: TOPIC })
  sim.pushes.set({ duplicateNext: 1 })
  sim.deliver(ADDRESS, plainMail(9).raw)
  await arrived(2)
  t.equal(pushed[0]?.body.message.messageId, pushed[1]?.body.message.messageId)
  t.match(await put({ delayMs: 1e9 }), {
    body: { settings: { dropNext: 0, duplicateNext: 0, delayMs: 1e9 }, watches: { [ADDRESS]: { topicName: TOPIC } } },
  })
  const counts = sim.pushes.counts()
  t.match(counts, { published: 2, dropped: 1 })
  t.match(await put({ to: { url: 'nowhere' } }), { status: 400 })
})

t.test('closing waits for no unanswered or retried push', async t => {
  for (const status of [SILENCE, 503]) {
    const { sim, post, arrived } = await open(t, {}, () => status)
    await post('watch', { topicName: TOPIC })
    await arrived(1)
    const startedMs = Date.now()
    await sim.close()
    await until(() => sim.pushes.counts().pending === 0, 'nothing is pending')
    t.ok(Date.now() - startedMs < 5000)
  }
})
