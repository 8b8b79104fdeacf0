import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { openMailSource } from '../../../pipeline/accounts/mail-source.ts'
import { surroundingsOf } from '../../../pipeline/base/surroundings.ts'
import { createVerify } from '../../../pipeline/gateway/verify.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import { gmailClient } from '../../../shared/gmail/client.ts'
import { exchangeCode, refreshGrant, revokeGrant } from '../../../shared/gmail/oauth.ts'
import type { Http } from '../../../shared/http/exchange.ts'
import { graphClient } from '../../../shared/outlook/client.ts'
import { beginGrant } from '../../../shared/outlook/oauth.ts'
import type { AccessTokens } from '../../../shared/provider/tokens.ts'
import { http as plain } from '../../support/surroundings.ts'

const account: AccessTokens = { get: async () => 'planted-token', refused: async () => false }
const call = () => ({ signal: new AbortController().signal, meter: () => undefined })
const sending = (doing: string) => ({ doing, call: call(), kind: 'single' as const, units: 1 })
const token = `Bearer ${['{"alg":"RS256","kid":"a"}', '{}', 'x'].map(text => Buffer.from(text).toString('base64url')).join('.')}`

// Every kind of request to a provider or a simulator at this address.
const WAYS: Readonly<Record<string, (url: string, http: Http) => Promise<unknown>>> = {
  'the Gmail API': (url, http) =>
    gmailClient({ account, rootUrl: `${url}/`, tokenUrl: '', http }).ask(sending('a'), ({ users }, inner) =>
      users.getProfile({ userId: 'me' }, inner),
    ),
  "Gmail's batch": (url, http) =>
    gmailClient({ account, rootUrl: `${url}/`, tokenUrl: '', http }).postBatch(sending('b'), {
      contentType: 'multipart/mixed; boundary=b',
      body: 'planted-body',
    }),
  "Google's token endpoint": (url, http) => refreshGrant(googleAt(url, http), 'planted-refresh', 'c'),
  "Google's token endpoint, with a code": (url, http) =>
    exchangeCode(googleAt(url, http), { code: 'planted-code', verifier: 'v', redirectUri: 'http://127.0.0.1:1' }),
  "Google's revocation": (url, http) => revokeGrant(googleAt(url, http), 'planted-refresh'),
  "Google's keys": (url, http) =>
    createVerify({ audience: 'a', serviceAccount: 'b', certsUrl: `${url}/certs`, http })(token),
  Graph: (url, http) =>
    graphClient({ tokens: account, rootUrl: `${url}/v1.0`, http }).ask(
      { ...sending('d'), kind: 'list' },
      { url: '/me' },
    ),
  "Microsoft's sign-in": (url, http) =>
    beginGrant(
      { clientId: 'client', clientSecret: 'planted', tenant: 'common', loginUrl: url, http },
      'planted-refresh',
      'e',
    ),
  "a simulator's list of mailboxes": async (url, http) => {
    const source = await openMailSource(readConfig({ SIM_URL: url }), [], { http })
    return source.list(call().signal, {} as never)
  },
}

const bomb = gzipSync(Buffer.alloc(65 << 20, ' '), { level: 1 })

for (const [what, ask] of Object.entries(WAYS)) {
  t.test(`no redirect is followed: ${what}`, async t => {
    const elsewhere = await serve(t, (_, response) => response.end('{}'))
    for (const status of [301, 302, 303, 307, 308]) {
      const first = await serve(t, (_, response) => response.writeHead(status, { location: elsewhere.url }).end())
      const error = await outcome(ask(first.url, plain))
      t.ok(first.asked() > 0, `${status}: it was asked`)
      t.equal(elsewhere.asked(), 0, `${status}: and nobody else`)
      if (error instanceof MailError) t.match(error.kind, /unavailable|misconfigured/, `${status}: it may pass`)
    }
  })

  t.test(`an endless answer is aborted: ${what}`, async t => {
    const server = await serve(t, (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb),
    )
    const error = await outcome(ask(server.url, plain))
    t.ok(error instanceof Error, String(error))
    t.notMatch(String((error as Error).stack), /planted/)
  })
}

const HOST = 'provider.example.test'

for (const what of ['the Gmail API', "Gmail's batch", 'Graph'] as const) {
  t.test(`consecutive calls share a connection: ${what}`, async t => {
    const server = await serve(t, (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
    )
    for (let count = 0; count < 5; count += 1) await outcome(WAYS[what]?.(server.url, plain) ?? Promise.reject(what))
    t.equal(server.asked(), 5)
    t.equal(server.connections(), 1)
  })
}

t.test('all requests use the proxy, except to NO_PROXY hosts and this machine', async t => {
  const asked: string[] = []
  const proxy = createServer((_, response) => response.writeHead(400).end())
  proxy.on('connect', ({ url }: IncomingMessage, socket) => {
    asked.push(url ?? '')
    socket.on('error', () => undefined)
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => proxy.close())
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const server = await serve(t, (_, response) => response.end('{}'))
  for (const [name, scheme, port] of [
    ['HTTPS_PROXY', 'https', 443],
    ['https_proxy', 'https', 443],
    ['HTTP_PROXY', 'http', 80],
    ['ALL_PROXY', 'https', 443],
  ] as const) {
    const http = through({ [name]: url })
    for (const [what, ask] of Object.entries(WAYS)) {
      asked.length = 0
      await outcome(ask(`${scheme}://${HOST}`, http))
      t.ok(asked.length > 0 && asked.every(host => host === `${HOST}:${port}`), `${name}: ${what}: ${asked}`)
      asked.length = 0
      await outcome(ask(server.url, http))
      t.equal(asked.length, 0, `${name}: ${what}, of this machine`)
    }
  }
  t.ok(server.asked() >= 4 * Object.keys(WAYS).length)
  const except = through({ HTTPS_PROXY: url, HTTP_PROXY: url, NO_PROXY: 'other.test, .example.test' })
  asked.length = 0
  for (const ask of Object.values(WAYS)) await outcome(ask(`https://${HOST}`, except))
  t.same(asked, [], "it is none of the proxy's")
})

function googleAt(url: string, http: Http) {
  return {
    http,
    clientId: 'client',
    clientSecret: 'planted',
    authUrl: '',
    tokenUrl: `${url}/token`,
    revokeUrl: `${url}/revoke`,
  }
}

async function outcome(asked: Promise<unknown>): Promise<unknown> {
  return asked.catch((thrown: unknown) => thrown)
}

async function serve(t: Test, answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    request.resume()
    answer(request, response)
  })
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    connections: () => connections,
  }
}

function through(environment: Record<string, string>): Http {
  return surroundingsOf(readConfig(environment)).http
}
