import t from 'tap'
import { connected, mailboxOf } from './client.ts'

const part = (contentId: string, request: string) =>
  `--outer\r\nContent-Type: application/http\r\nContent-ID: ${contentId}\r\n\r\n${request}\r\n\r\n`

async function post(
  url: string,
  headers: Record<string, string>,
  parts: readonly string[],
  type = 'multipart/mixed; boundary="outer"',
) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': type },
    body: `${parts.join('')}--outer--`,
  })
  return { response, text: await response.text() }
}

t.test('a batch answers each part as HTTP, in order, under its response Content-ID', async t => {
  const { sim, headers, get } = await connected(t, mailboxOf(3))
  const { messages } = (await get('messages')).body
  sim.resetCalls()
  for (const path of ['/batch', '/batch/gmail/v1']) {
    const { response, text } = await post(sim.url + path, headers, [
      part('<m0>', `GET /gmail/v1/users/me/messages/${messages[0]?.id}?format=metadata&fields=id`),
      part('m1', 'GET /gmail/v1/users/me/messages/0000000000000000 HTTP/1.1'),
      part(
        '<m2>',
        `GET ${sim.url}/gmail/v1/users/me/threads/${messages[0]?.threadId}?fields=id&prettyPrint=false HTTP/1.1`,
      ),
    ])
    t.equal(response.status, 200)
    const boundary =
      /^multipart\/mixed; boundary=(batch_\S+)$/.exec(response.headers.get('content-type') ?? '')?.[1] ?? ''
    const [before, first, second, third, after] = text.split(`--${boundary}`)
    t.equal(before, '')
    const head =
      '\r\nContent-Type: application/http\r\nContent-ID: <response-m0>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n'
    t.ok(first?.startsWith(head))
    t.same(JSON.parse(first?.split('\r\n\r\n')[2] ?? ''), { id: messages[0]?.id })
    t.match(second, /Content-ID: response-m1\r\n\r\nHTTP\/1\.1 404 Not Found\r\n/)
    t.match(second, /"status": "NOT_FOUND"/)
    t.ok(third?.endsWith(`\r\n\r\n{"id":"${messages[0]?.threadId}"}\n\r\n`))
    t.equal(after, '--\r\n')
  }
  t.match(sim.calls(), { batch: 2, single: 0, thread: 0, total: 2, parts: 6 })
})

t.test('a batch with bare line endings and no Content-ID is accepted', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const parts = ['--outer\nContent-Type: application/http\n\nGET /gmail/v1/users/me/profile\n\n']
  const { text } = await post(`${sim.url}/batch`, headers, parts)
  t.match(text, /HTTP\/1\.1 200 OK/)
  t.notMatch(text, /Content-ID/)
})

t.test('parts use the batch’s token, or their own', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const profile = 'GET /gmail/v1/users/me/profile HTTP/1.1'
  t.match((await post(`${sim.url}/batch`, {}, [part('<a>', profile)])).text, /HTTP\/1\.1 401 Unauthorized/)
  const own = part('<a>', `${profile}\r\nAuthorization: ${headers.authorization}`)
  t.match((await post(`${sim.url}/batch`, {}, [own])).text, /HTTP\/1\.1 200 OK/)
})

t.test('a batch takes at most a hundred parts, and other bodies are refused', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => part(`<${index}>`, 'GET /gmail/v1/users/me/profile'))
  t.equal((await post(`${sim.url}/batch`, headers, many(100))).response.status, 200)
  const refused = [
    await post(`${sim.url}/batch`, headers, many(101)),
    await post(`${sim.url}/batch`, headers, []),
    await post(`${sim.url}/batch`, headers, many(1), 'multipart/mixed'),
    await post(`${sim.url}/batch`, headers, many(1), 'text/plain'),
    await post(`${sim.url}/batch`, headers, [part('<a>', 'hello there')]),
  ]
  for (const { response, text } of refused) {
    t.equal(response.status, 400)
    t.match(JSON.parse(text), { error: { code: 400, status: 'INVALID_ARGUMENT' } })
  }
})

t.test('a nested batch or a write in a batch does not exist', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const { text } = await post(`${sim.url}/batch`, headers, [
    part('<a>', 'POST /batch HTTP/1.1'),
    part('<b>', 'DELETE /gmail/v1/users/me/messages/1 HTTP/1.1'),
  ])
  t.equal(text.match(/HTTP\/1\.1 404 Not Found/g)?.length, 2)
})
