import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { boundConnections, type Connections } from '../../../pipeline/gateway/connections.ts'
import { until } from '../../support/until.ts'

const MOST = 10
const LOCAL = ['127.0.0.1', '127.0.0.2']

interface Rig {
  server: Server
  connections: Connections
  /** Opens a connection from one of two local addresses and writes to it. */
  open(text?: string, from?: string): Promise<Socket>
  asked(): number
  answer(): void
}

t.test('idle connections are closed first, the oldest of the largest client', async t => {
  const { open, connections } = await start(t)
  const single = await open('', LOCAL[1])
  const idle = await Promise.all(
    Array.from({ length: MOST - 1 }, () => open('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nslow')),
  )
  await until(() => connections.count() === MOST, 'all are open')
  for (let n = 0; n < 50; n += 1) await open()
  t.equal(await get(await open()), 'HTTP/1.1 200 OK')
  t.ok(
    idle.every(socket => socket.destroyed),
    'the flood has only closed connections of its own address',
  )
  t.notOk(single.destroyed)
  t.equal(connections.count(), MOST)
})

t.test('proven connections and those being answered stay open', async t => {
  const rig = await start(t, { holds: true })
  const { open, connections, server } = rig
  const proven = await open()
  await until(() => connections.count() === 1, 'it is open')
  server.once('request', request => connections.prove(request.socket))
  const first = get(proven)
  await until(() => rig.asked() === 1, 'it is asked')
  rig.answer()
  await first
  const busy = get(await open())
  await until(() => rig.asked() === 1, 'another is being answered')
  for (let n = 0; n < 3 * MOST; n += 1) await open()
  t.notOk(proven.destroyed)
  rig.answer()
  t.equal(await busy, 'HTTP/1.1 200 OK')
})

t.test('only a new connection is closed when all others are being answered', async t => {
  const { open, asked, answer } = await start(t, { holds: true })
  const answers = Array.from({ length: MOST }, async () => get(await open()))
  await until(() => asked() === MOST, 'all are being answered')
  const late = await open()
  await until(() => late.destroyed, 'the new one is closed')
  answer()
  for (const line of await Promise.all(answers)) t.equal(line, 'HTTP/1.1 200 OK')
})

t.test('a connection whose refusal waits to be answered is closed first, though its request is whole', async t => {
  const { server, connections, open, asked, answer } = await start(t, { holds: true })
  server.on('request', request => request.url === '/refused' && connections.refuse(request.socket))
  const refused = await open('GET /refused HTTP/1.1\r\nhost: a\r\n\r\n')
  const others = Array.from({ length: MOST - 1 }, async () => get(await open()))
  await until(() => asked() === MOST, 'all are being answered')
  const late = get(await open())
  await until(() => refused.destroyed, 'the refused one is closed')
  await until(() => asked() === MOST + 1, 'the new one is met')
  answer()
  for (const line of await Promise.all([...others, late])) t.equal(line, 'HTTP/1.1 200 OK')
})

t.test('a refusal that was answered no longer counts against its connection', async t => {
  const { server, connections, open } = await start(t)
  server.on('request', request => {
    connections.prove(request.socket)
    connections.refuse(request.socket)
  })
  const proven = await open()
  t.equal(await get(proven), 'HTTP/1.1 200 OK')
  for (let n = 0; n < 3 * MOST; n += 1) await open()
  t.notOk(proven.destroyed)
  t.equal(connections.count(), MOST)
})

async function start(t: Test, { holds = false } = {}): Promise<Rig> {
  const waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    request.on('error', () => undefined)
    waiting.push(() => response.end('ok'))
    if (!holds) waiting.pop()?.()
  })
  const connections = boundConnections(server, MOST)
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  const sockets: Socket[] = []
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  return {
    server,
    connections,
    asked: () => waiting.length,
    answer: () => {
      for (const end of waiting.splice(0)) end()
    },
    async open(text = '', from = '127.0.0.1') {
      const { port } = server.address() as AddressInfo
      const socket = connect({ port, host: '127.0.0.1', localAddress: from })
      sockets.push(socket)
      // A close arrives as an error or as an end.
      socket.on('error', () => socket.destroy()).on('end', () => socket.destroy())
      socket.resume()
      await once(socket, 'connect')
      if (text !== '') socket.write(text)
      return socket
    },
  }
}

async function get(socket: Socket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return chunk.toString().split('\r\n', 1)[0] ?? ''
}
