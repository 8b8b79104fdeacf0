import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startSimulators } from '../../sim/both.ts'
import type { GateOptions } from '../../sim/gate.ts'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'

const ADDRESS = 'ana@example.com'
const TOKEN = 'a-token-of-this-test'
const PATHS = {
  gmail: ['/gmail/v1/users/me/profile', '/control/mailboxes', '/oauth2/v3/certs', '/nothing'],
  graph: ['/v1.0/me/messages', '/control/graph/mailboxes', '/common/v2.0/.well-known/openid-configuration'],
}

interface Asked {
  method?: string
  headers?: Record<string, string>
}

function ask(url: string, path: string, { method = 'GET', headers = {} }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(url)
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, answer => {
      text(answer).then(body => resolve({ status: answer.statusCode ?? 0, body }), reject)
    })
    sent.on('error', reject).end()
  })
}

interface Answer {
  status: number
  body: string
}

async function started(t: Tap, options: GateOptions, graphPort?: number) {
  const mail = { raw: 'Subject: private\n\nprivate' }
  const [gmail, graph] = [[memoryMailbox(ADDRESS, [mail])], [memoryMailbox(ADDRESS, [mail])]]
  const sims = await startSimulators({ ...options, profile: 'instant', gmail, graph, graphPort })
  t.teardown(() => sims.close())
  return {
    gmail: (path: string, asked?: Asked) => ask(sims.gmail.url, path, asked),
    graph: (path: string, asked?: Asked) => ask(sims.graph.url, path, asked),
    port: new URL(sims.gmail.url).port,
  }
}

type Tap = { teardown(close: () => Promise<void>): void }

t.test('a simulator answers only to names of this machine', async t => {
  for (const graphPort of [undefined, 0]) {
    const sims = await started(t, {}, graphPort)
    for (const side of ['gmail', 'graph'] as const) {
      for (const path of PATHS[side]) {
        for (const host of [
          'evil.example',
          'evil.example:8025',
          '127.0.0.1.evil.example',
          'localhost.evil.example',
          '0.0.0.0',
          '[::]',
          '10.0.0.1',
          'evil@127.0.0.1',
          '127.0.0.1/',
        ])
          t.equal((await sims[side](path, { headers: { host } })).status, 421, `${path} as ${host}`)
        for (const host of ['localhost', 'LOCALHOST:8025', '127.0.0.1', '127.9.9.9:1', '[::1]:8025'])
          t.not((await sims[side](path, { headers: { host } })).status, 421, `${path} as ${host}`)
      }
      const evil = { host: 'evil.example', 'x-forwarded-host': 'localhost', 'x-forwarded-for': '127.0.0.1' }
      t.match(await sims[side]('/', { headers: evil }), { status: 421, body: /not asked as \\"evil\.example\\"/ })
    }
  }
})

t.test('further accepted names are set at start', async t => {
  const named = await started(t, { host: '0.0.0.0', allowedHosts: ['Sim'] })
  for (const host of ['sim:8025', 'SIM', '192.168.7.7:8025', '[fd00::1]', 'localhost'])
    t.not((await named.gmail('/control/mailboxes', { headers: { host } })).status, 421, host)
  for (const host of ['sim.evil.example', '0.0.0.0', 'other'])
    t.equal((await named.gmail('/control/mailboxes', { headers: { host } })).status, 421, host)
})

t.test('foreign pages get no answer; links to the consent page do', async t => {
  const sims = await started(t, {})
  const consent = '/o/oauth2/v2/auth?client_id=a&redirect_uri=http%3A%2F%2F127.0.0.1&scope=s&response_type=code'
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  for (const [side, path] of [
    ['gmail', '/control/mailboxes'],
    ['graph', '/control/graph/mailboxes'],
  ] as const) {
    const host = `127.0.0.1:${sims.port}`
    for (const [headers, status] of [
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
      [{ origin: 'http://127.0.0.1:1' }, 403],
      [{ origin: 'http://localhost.evil.example' }, 403],
      [{ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }, 200],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-site' }, 403],
      [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, 403],
      [{ ...link, 'sec-fetch-dest': 'iframe' }, 403],
      [{ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, 200],
      [{}, 200],
    ] as const) {
      const name = JSON.stringify(headers)
      t.equal((await sims[side](path, { headers: { host, ...headers } })).status, status, `${path} ${name}`)
      if (status === 403)
        t.equal((await sims[side](path, { method: 'POST', headers: { host, ...headers } })).status, 403, `POST ${name}`)
    }
  }
  t.equal((await sims.gmail(consent, { headers: link })).status, 200)
  t.equal((await sims.gmail(`${consent}&approve=${ADDRESS}`, { headers: link })).status, 403, 'a click is not a link')
  t.equal((await sims.gmail(`${consent}&approve=${ADDRESS}`)).status, 302)
})

t.test('the control port requires its token on both sides, in any spelling', async t => {
  for (const graphPort of [undefined, 0]) {
    const sims = await started(t, { controlToken: TOKEN }, graphPort)
    const box = `mailboxes/${ADDRESS}`
    const calls = {
      gmail: [
        ...['calls', 'faults', 'quirks', 'quota', 'pushes', 'oauth', 'mailboxes'].map(one => [
          'GET',
          `/control/${one}`,
        ]),
        ...['faults', 'quirks', 'quota', 'pushes', 'oauth'].map(one => ['PUT', `/control/${one}`]),
        ...['quota/reset', 'oauth/expire-tokens', `${box}/messages`, `${box}/revoke`].map(one => [
          'POST',
          `/control/${one}`,
        ]),
        ['DELETE', '/control/quota'],
        ['GET', '/%63ontrol/mailboxes'],
        ['GET', '/control/mailboxes?a=/gmail/v1/'],
      ],
      graph: [
        ...['calls', 'faults', 'quirks', 'throttling', 'notifications', 'oauth', 'mailboxes'].map(one => [
          'GET',
          `/control/graph/${one}`,
        ]),
        ...['faults', 'quirks', 'throttling', 'notifications', 'oauth'].map(one => ['PUT', `/control/graph/${one}`]),
        ...['expire-tokens', `${box}/messages`, `${box}/revoke`].map(one => ['POST', `/control/graph/${one}`]),
        ['DELETE', '/control/graph/throttling'],
        ['PATCH', `/control/graph/${box}/folders/inbox`],
      ],
    }
    for (const side of ['gmail', 'graph'] as const) {
      for (const [method = '', path = ''] of calls[side]) {
        t.equal((await sims[side](path, { method })).status, 401, `${method} ${path}`)
        const authorization = `Bearer ${TOKEN}x`
        t.equal((await sims[side](path, { method, headers: { authorization } })).status, 401, `${path} with another`)
        const right = { authorization: `Bearer ${TOKEN}` }
        t.not((await sims[side](path, { method, headers: right })).status, 401, `${method} ${path} with its token`)
      }
    }
    // On one port, this spelling matches no route of either.
    const hidden = (await sims.graph('/%63ontrol/graph/mailboxes')).status
    t.equal(hidden, graphPort === undefined ? 404 : 401)
    for (const authorization of ['', 'Bearer', 'Bearer ', TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN.slice(1)}`])
      t.equal((await sims.gmail('/control/mailboxes', { headers: { authorization } })).status, 401, authorization)
  }
})

t.test('it listens only on loopback by default', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, [])] })
  t.teardown(() => sim.close())
  t.equal(new URL(sim.url).hostname, '127.0.0.1')
})
