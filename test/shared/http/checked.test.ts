import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { openHttp } from '../../../shared/http/exchange.ts'
import type { AddressCheck, LookUp } from '../../../shared/http/pinning.ts'
import { proxiesIn } from '../../../shared/settings/proxies.ts'
import { selfSigned } from '../../../sim/certificate.ts'

const NAME = 'receiver.example.test'
const REFUSED = '127.0.0.9'
const faultOf: AddressCheck = address => (address === REFUSED ? `no ${address}` : undefined)

t.test('a checked name is looked up once a connection, and reached at the address that was checked', async t => {
  const { port, connections } = await serve(t)
  const { http, asked } = open(t, [['127.0.0.1'], [REFUSED]])
  for (let count = 0; count < 3; count += 1)
    t.equal(await (await http.exchange(`http://${NAME}:${port}/`)).text(), NAME)
  t.same([asked(), connections()], [1, 1], 'later requests use the same connection')
  const other = open(t, [[REFUSED], ['127.0.0.1']])
  await t.rejects(other.http.exchange(`http://${NAME}:${port}/`), { kind: 'misconfigured', message: `no ${REFUSED}` })
  t.same([other.asked(), connections()], [1, 1], 'what was refused is not looked up again until it fits')
})

t.test('one refused address refuses all of an answer, wherever it stands', async t => {
  const { port, connections } = await serve(t)
  for (const addresses of [['127.0.0.1', REFUSED], [REFUSED, '127.0.0.1'], [REFUSED]]) {
    const { http } = open(t, [addresses])
    await t.rejects(http.exchange(`http://${NAME}:${port}/`), { kind: 'misconfigured', message: `no ${REFUSED}` })
  }
  t.equal(connections(), 0)
})

t.test('a host that is an address is checked, too', async t => {
  const { http, asked } = open(t, [['127.0.0.1']])
  await t.rejects(http.exchange(`http://${REFUSED}:1/`), { kind: 'misconfigured', message: `no ${REFUSED}` })
  await t.rejects(http.exchange('http://0x7f000009:1/'), { kind: 'misconfigured', message: `no ${REFUSED}` })
  t.equal(asked(), 0)
})

t.test('every permitted address is tried', async t => {
  const { port } = await serve(t)
  const { http } = open(t, [['127.0.0.8', '127.0.0.1']])
  t.equal(await (await http.exchange(`http://${NAME}:${port}/`)).text(), NAME)
})

t.test('a name without an address is a fault of the network', async t => {
  for (const lookUp of [
    async () => [],
    () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })),
  ]) {
    const http = openHttp(proxiesIn({}), lookUp).checked(faultOf)
    await t.rejects(http.exchange(`http://${NAME}/`), { code: 'ENOTFOUND' })
  }
})

t.test('a proxy is given the checked address, and TLS still expects the name', async t => {
  const names: (string | false | undefined)[] = []
  const { port } = await serveTls(t, name => names.push(name))
  const proxy = await startProxy(t)
  const { http, asked } = open(t, [['::1', '127.0.0.1']], { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url })
  // The certificate is nobody's.
  await t.rejects(http.exchange(`https://${NAME}:${port}/`), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.same(proxy.asked, [`127.0.0.1:${port}`], 'its own look-up cannot differ')
  t.same([names, asked()], [[NAME], 1])
  const plain = await serve(t)
  t.equal(await (await http.exchange(`http://${NAME}:${plain.port}/`)).text(), NAME, 'the receiver sees the name')
})

t.test('a proxy is asked for no refused address', async t => {
  const proxy = await startProxy(t)
  const { http } = open(t, [['127.0.0.1', REFUSED]], { HTTPS_PROXY: proxy.url })
  await t.rejects(http.exchange(`https://${NAME}/`), { kind: 'misconfigured', message: `no ${REFUSED}` })
  t.same(proxy.asked, [])
})

t.test("a proxy's own answer is not taken for the receiver's", async t => {
  for (const status of [200, 403, 404, 407, 410, 503]) {
    const proxy = await startProxy(t, status)
    const { http } = open(t, [['127.0.0.1']], { HTTP_PROXY: proxy.url })
    const { port } = await serve(t)
    const asked = http.exchange(`http://${NAME}:${port}/`)
    if (status === 200) t.equal((await asked).status, 200)
    else
      await t.rejects(asked, {
        kind: 'unavailable',
        message: `the proxy answered ${status} instead of opening a tunnel to the checked address`,
      })
  }
})

function open(t: Test, answers: readonly (readonly string[])[], environment: Record<string, string> = {}) {
  let asked = 0
  const lookUp: LookUp = async () => {
    asked += 1
    const addresses = answers[Math.min(asked, answers.length) - 1] ?? []
    return addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  const http = openHttp(proxiesIn(environment), lookUp)
  t.teardown(() => http.close())
  return { http: http.checked(faultOf), asked: () => asked }
}

/** A server that answers with the name it was asked for. */
async function serve(t: Test) {
  let connections = 0
  const server = createServer(({ headers }, response) => response.end(headers.host?.replace(/:\d+$/, '')))
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections: () => connections }
}

async function serveTls(t: Test, onName: (name: string) => void) {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const day = { fromMs: Date.now() - 86_400_000, untilMs: Date.now() + 86_400_000 }
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const server = createTlsServer({
    key,
    cert: selfSigned(keys, { name: NAME, ...day }),
    SNICallback(name, done) {
      onName(name)
      done(null)
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port }
}

/** A proxy that opens tunnels, or answers with another status. */
async function startProxy(t: Test, status = 200) {
  const asked: string[] = []
  const server = createServer((_, response) => response.writeHead(400).end())
  server.on('connect', ({ url = '' }: IncomingMessage, socket) => {
    asked.push(url)
    socket.on('error', () => undefined)
    if (status !== 200) return socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 4\r\n\r\nno!!`)
    const { hostname, port } = new URL(`http://${url}`)
    const target = connect(Number(port || 80), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    target.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
