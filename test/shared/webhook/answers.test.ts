import { once } from 'node:events'
import { createServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { freePort } from '../../support/redis.ts'
import { until } from '../../support/until.ts'
import { callNow, errorOf, openSink, PREVIOUS, SECRET, startReceiver, taskOf, turnedClock } from './receiver.ts'

for (const status of [200, 201, 202, 204, 299]) {
  t.test(`${status} accepts a task`, async t => {
    const { url } = await startReceiver(t, response => response.writeHead(status).end())
    t.same(await openSink(t, { url }).send(taskOf(), callNow()), { outcome: 'accepted' })
  })
}

for (const [status, says] of [
  [401, /answered 401: it does not accept the signature; compare WEBHOOK_SECRET/],
  [403, /answered 403: it forbids the request/],
  [407, /answered 407: a proxy asks for credentials/],
  [410, /answered 410: it takes no more messages; set WEBHOOK_URL/],
] as const) {
  t.test(`${status} pauses the sink, and its message says what to do`, async t => {
    const { url } = await startReceiver(t, response => response.writeHead(status).end('Zanzibar'))
    const sink = openSink(t, { url })
    for (let count = 0; count < 5; count += 1)
      t.match(await errorOf(sink.send(taskOf(`t${count}`), callNow())), { kind: 'misconfigured', message: says })
  })
}

for (const status of [400, 402, 404, 405, 409, 413, 422, 451]) {
  t.test(`${status} refuses the task alone`, async t => {
    let next: number = status
    const { url } = await startReceiver(t, response => response.writeHead(next).end('{"error":"no such field"}'))
    const sink = openSink(t, { url })
    const error = await errorOf(sink.send(taskOf(), callNow()))
    t.match(error, {
      kind: 'rejected',
      message: new RegExp(`^webhook to 127\\.0\\.0\\.1:\\d+: .* answered ${status}: .*no such field`),
    })
    next = 200
    t.same(await sink.send(taskOf('t1'), callNow()), { outcome: 'accepted' }, 'the next task needs no pause')
  })
}

for (const status of [408, 425, 500, 502, 503, 504, 599]) {
  t.test(`${status} delays the task without an attempt, as often as it comes`, async t => {
    const { url, deliveries } = await startReceiver(t, response => response.writeHead(status).end())
    const { machine, turn } = turnedClock()
    const sink = openSink(t, { url, machine })
    const waits: (number | undefined)[] = []
    for (let count = 0; count < 12; count += 1) {
      const error = await errorOf(sink.send(taskOf(`t${count % 3}`), callNow({ attempt: 0 })))
      t.match(error, { kind: 'throttled', isRateLimit: false, message: new RegExp(`answered ${status}$`) })
      waits.push(error.retryAfterMs)
      turn(error.retryAfterMs ?? 0)
    }
    t.same(waits.slice(0, 4), [2000, 4000, 8000, 16_000])
    t.equal(waits.at(-1), 300_000)
    t.equal(deliveries.length, 12)
  })
}

t.test('no answer at all delays the task without an attempt', async t => {
  const silent = createServer(socket => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
  const cutting = createServer(socket => socket.on('error', () => undefined).destroy()).listen(0, '127.0.0.1')
  await Promise.all([once(silent, 'listening'), once(cutting, 'listening')])
  t.teardown(() => [silent.close(), cutting.close()])
  const portOf = (server: ReturnType<typeof createServer>) => (server.address() as { port: number }).port
  for (const [port, timeoutMs, says] of [
    [await freePort(), 20_000, /no answer from the receiver \(ECONNREFUSED\)/],
    [portOf(cutting), 20_000, /no answer from the receiver \(ECONNRESET\)/],
    [portOf(silent), 200, /no answer from the receiver within 200 ms/],
  ] as const) {
    const sink = openSink(t, {
      url: `http://127.0.0.1:${port}/planted-path?planted`,
      timeoutMs,
      machine: turnedClock().machine,
    })
    const error = await errorOf(sink.send(taskOf(), callNow()))
    t.match(error, { kind: 'throttled', retryAfterMs: 2000, isRateLimit: false, message: says })
    t.notMatch(String(error.stack), /planted/)
  }
})

t.test('Retry-After is kept in full, for every task, in seconds and as a date', async t => {
  const at = Date.UTC(2026, 10, 30)
  for (const [status, retryAfter, waitMs] of [
    [429, '7', 7000],
    [429, new Date(at + 90_000).toUTCString(), 90_000],
    [503, '3600', 3_600_000],
    [408, '1', 1000],
    [503, '0', 1000],
    [429, '99999999', 86_400_000],
  ] as const) {
    let answered: number = status
    const { url, deliveries } = await startReceiver(t, response =>
      response.writeHead(answered, answered === 200 ? {} : { 'retry-after': retryAfter }).end(),
    )
    const { machine, turn } = turnedClock()
    const sink = openSink(t, { url, machine })
    const call = callNow({ now: () => at })
    t.match(await errorOf(sink.send(taskOf(), call)), { kind: 'throttled', isRateLimit: true, retryAfterMs: waitMs })
    answered = 200
    turn(waitMs - 1)
    t.match(await errorOf(sink.send(taskOf('t1'), call)), {
      kind: 'throttled',
      retryAfterMs: 1,
      message: new RegExp(`answered ${status}; the next attempt is not due$`),
    })
    t.equal(deliveries.length, 1, 'nothing was sent meanwhile')
    turn(1)
    t.same(await sink.send(taskOf('t1'), call), { outcome: 'accepted' })
  }
})

t.test('429 without a time delays for growing pauses, and is never laid to a task', async t => {
  let answered = 200
  const { url } = await startReceiver(t, response => response.writeHead(answered).end())
  const { machine, turn } = turnedClock()
  const sink = openSink(t, { url, machine })
  for (let count = 0; count < 20; count += 1) await sink.send(taskOf(`t${count}`), callNow())
  answered = 429
  for (const waitMs of [2000, 4000, 8000]) {
    const error = await errorOf(sink.send(taskOf('late'), callNow()))
    t.match(error, { kind: 'throttled', retryAfterMs: waitMs, isRateLimit: true })
    turn(waitMs)
  }
})

t.test('a redirect is never followed: for good it pauses the sink, else it delays', async t => {
  const elsewhere = await startReceiver(t)
  for (const [status, kind] of [
    [301, 'misconfigured'],
    [308, 'misconfigured'],
    [302, 'throttled'],
    [303, 'throttled'],
    [307, 'throttled'],
    [300, 'throttled'],
    [304, 'throttled'],
  ] as const) {
    const first = await startReceiver(t, response => response.writeHead(status, { location: elsewhere.url }).end())
    const message = `answered ${status} with a redirect to 127.0.0.1:${elsewhere.port}, which is never followed`
    t.match(await errorOf(openSink(t, { url: first.url }).send(taskOf(), callNow())), {
      kind,
      message: new RegExp(message.replaceAll('.', '\\.')),
    })
    t.equal(first.deliveries.length, 1)
  }
  t.equal(elsewhere.connections(), 0)
})

t.test('a text that never ends is read to 64 KiB, and its connection is closed', async t => {
  for (const [what, status, headers, chunk] of [
    ['endless', 200, {}, Buffer.alloc(8192, 'x ')],
    ['endless', 404, {}, Buffer.alloc(8192, 'x ')],
    ['a bomb', 404, { 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(32 << 20, 'x '))],
  ] as const) {
    let written = 0
    let closed = false
    const { url } = await startReceiver(t, response => {
      response.writeHead(status, headers)
      const write = () => {
        while (!closed && response.write(chunk)) written += chunk.length
      }
      response.on('drain', write).on('close', () => {
        closed = true
      })
      write()
    })
    const sent = openSink(t, { url, timeoutMs: 20_000 }).send(taskOf(), callNow())
    if (status === 200) t.same(await sent, { outcome: 'accepted' })
    else t.ok((await errorOf(sent)).message.length < 300)
    await until(() => closed, `${what}: the connection is closed`, 5000)
    t.ok(written < 32 << 20, `${what}: ${written} bytes were written`)
  }
})

t.test('a text that hangs delays nothing beyond the deadline: the status decides', async t => {
  for (const status of [200, 422]) {
    let closed = false
    const { url } = await startReceiver(t, response => {
      response.writeHead(status).write('x')
      response.on('close', () => {
        closed = true
      })
    })
    const sent = openSink(t, { url, timeoutMs: 300 }).send(taskOf(), callNow())
    if (status === 200) t.same(await sent, { outcome: 'accepted' })
    else t.equal((await errorOf(sent)).kind, 'rejected')
    await until(() => closed, 'the connection is closed', 5000)
  }
})

t.test('requests in flight together fail once: the pause grows by attempts, not by requests', async t => {
  let isDown = true
  const { url, deliveries } = await startReceiver(t, (response, { body }) => {
    const end = () => response.writeHead(isDown && !body.includes('"slow"') ? 503 : 200).end()
    if (body.includes('"slow"'))
      void until(() => deliveries.length === 5, 'all are sent').then(() => setTimeout(end, 100))
    else end()
  })
  const { machine, turn } = turnedClock()
  const sink = openSink(t, { url, machine })
  const slow = sink.send(taskOf('slow'), callNow())
  const failed = await Promise.all(['t0', 't1', 't2', 't3'].map(one => errorOf(sink.send(taskOf(one), callNow()))))
  t.same(
    failed.map(({ retryAfterMs }) => retryAfterMs),
    [2000, 2000, 2000, 2000],
  )
  t.same(await slow, { outcome: 'accepted' })
  t.match(
    await errorOf(sink.send(taskOf(), callNow())),
    { kind: 'throttled' },
    'an answer to an earlier request ends no pause',
  )
  isDown = false
  turn(2000)
  t.same(await sink.send(taskOf(), callNow()), { outcome: 'accepted' })
})

t.test('an aborted call ends at once and counts for nothing', async t => {
  const { url, deliveries } = await startReceiver(t, (response, { body }) =>
    body.includes('"t1"') ? response.end() : 0,
  )
  const controller = new AbortController()
  const sink = openSink(t, { url })
  const sent = errorOf(sink.send(taskOf(), callNow({ signal: controller.signal })))
  await until(() => deliveries.length === 1, 'it is sent')
  controller.abort()
  t.match(await sent, { kind: 'unavailable', message: /aborted before an answer came/ })
  t.same(await sink.send(taskOf('t1'), callNow()), { outcome: 'accepted' }, 'the receiver is in no pause')
})

t.test('a failure is laid to its task only while the receiver takes the others', async t => {
  let isDown = false
  const { url } = await startReceiver(t, (response, { body }) =>
    response.writeHead(isDown || body.includes('"poison"') ? 500 : 200).end(),
  )
  const { machine, turn } = turnedClock()
  const sink = openSink(t, { url, machine })
  const attempt = async (thread: string) => {
    turn(300_000)
    return sink.send(taskOf(thread), callNow()).then(
      () => 'accepted',
      ({ kind }) => kind,
    )
  }
  t.equal(await attempt('poison'), 'throttled', 'nothing is known of the receiver')
  for (let count = 0; count < 19; count += 1) await attempt(`t${count}`)
  for (let count = 0; count < 12; count += 1) t.equal(await attempt('poison'), 'unavailable')
  isDown = true
  const kinds: string[] = []
  for (let count = 0; count < 100; count += 1) kinds.push(await attempt(`late${count % 30}`))
  t.same(kinds.slice(0, 2), ['unavailable', 'throttled'])
  t.ok(
    kinds.slice(1).every(kind => kind === 'throttled'),
    'an outage of any length uses up no more attempts',
  )
})

t.test('errors hold no secret, no word of the mail and no path, whatever the receiver quotes', async t => {
  for (const status of [400, 401, 410, 429, 500, 301]) {
    const { url } = await startReceiver(t, (response, { body, headers }) =>
      response
        .writeHead(status, { location: 'https://planted@moved.example/planted?planted' })
        .end(`${SECRET} ${PREVIOUS} ${JSON.stringify(headers)} ${body}`),
    )
    const path = `${url}/planted-path?token=planted-token`
    const error = await errorOf(openSink(t, { url: path, secrets: [SECRET, PREVIOUS] }).send(taskOf(), callNow()))
    const shown = `${error.stack}${JSON.stringify(error)}`
    for (const part of ['Zanzibar', '4711', 'Köln', 'Budget', 'planted', 'whsec_', SECRET.slice(6, 30)])
      t.notOk(shown.includes(part), `${status}: ${part}`)
  }
})
