import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { testMail } from '../support/mail.ts'
import { inTurn, lastJson, start } from '../support/processes.ts'
import { until } from '../support/until.ts'

const folder = await mkdtemp(join(tmpdir(), 'mailsluice-sim-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const mbox = join(folder, 'Team.mbox')
const mails = [1, 2].map(one => testMail(one, 2).replaceAll('\r\n', '\n'))
await writeFile(mbox, mails.map(mail => `From bo@example.org Tue Sep  1 08:00:00 2026\n${mail}\n\n`).join(''))

t.test('sim serves the same mail as Gmail and as Outlook, on one port or on two', async t => {
  for (const [name, words] of [
    ['one', []],
    ['two', ['--graph', '0', '--throttling', '--graph-faults', 'slow=0.1']],
  ] as const) {
    const environment = { DATA_DIR: join(folder, name) }
    const sim = start(['sim', '--gmail', '0', '--mbox', mbox, '--profile', 'instant', ...words], environment)
    t.teardown(() => sim.kill('SIGKILL'))
    await until(() => sim.stdout().includes('Ctrl-C stops.'), 'it is up')
    t.match(sim.stdout(), 'gmail:team@mbox.example  2 messages')
    t.match(sim.stdout(), 'outlook:team@mbox.example  2 messages')
    const [, token] = /Authorization: Bearer (\S+)"/.exec(sim.stdout()) ?? []
    const json = async (url: string) => (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()
    const [, gmail, graph] = /Gmail at (http\S+) and Microsoft Graph at (http\S+)\/v1\.0/.exec(sim.stdout()) ?? []
    t.equal(gmail === graph, name === 'one')
    const expected = [{ address: 'team@mbox.example', messages: 2 }]
    t.same(await json(`${gmail}/control/mailboxes`), expected)
    t.same(await json(`${graph}/control/graph/mailboxes`), expected)
    const faults = (await json(`${graph}/control/graph/faults`)) as { rates: object }
    t.same(faults.rates, name === 'one' ? {} : { slow: 0.1 })
    const { settings } = (await json(`${graph}/control/graph/throttling`)) as { settings: object | null }
    t.same(settings, name === 'one' ? null : {})
    t.equal((await fetch(`${gmail}/control/mailboxes`)).status, 401)
    t.equal((await fetch(`${graph}/control/graph/mailboxes`)).status, 401)
    sim.kill('SIGTERM')
    t.equal((await sim.exited).code, 0)
  }
})

t.test('a used port and an unknown fault print one clear line', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const environment = { DATA_DIR: join(folder, 'wrong') }
  const taken = await inTurn(['sim', '--gmail', '0', '--graph', String(port)], environment)
  t.match(taken, { code: 2, stderr: `cannot listen on port ${port}: it is in use; choose another with --graph` })
  const gmail = await inTurn(['sim', '--gmail', String(port)], environment)
  t.match(gmail, { code: 2, stderr: `cannot listen on port ${port}: it is in use; choose another with --gmail` })
  t.match(await inTurn(['sim', '--graph-faults', 'odd=1'], environment), { code: 2, stderr: /there is no fault odd/ })
})

t.test('`up` finds the token of a local simulator, or uses SIM_TOKEN', async t => {
  const beside = { DATA_DIR: join(folder, 'beside'), SIM_TOKEN: 'a-token-that-was-chosen' }
  const sim = start(['sim', '--gmail', '0', '--mbox', mbox, '--profile', 'instant'], beside)
  t.teardown(() => sim.kill('SIGKILL'))
  await until(() => sim.stdout().includes('Ctrl-C stops.'), 'it is up')
  const [, url = ''] = /SIM_URL=(\S+)\. /.exec(sim.stdout()) ?? []
  t.match(sim.stdout(), 'SIM_TOKEN=a-token-that-was-chosen')
  const alone = { ...beside, DATA_DIR: join(folder, 'alone'), SIM_URL: url }
  const words = ['up', '--once', '--json']
  t.match(lastJson(await inTurn(words, alone)), { ok: true, mailboxes: 2 }, 'by SIM_TOKEN')
  const { SIM_TOKEN: _, ...without } = alone
  t.match(await inTurn(words, without), { code: 2, stderr: /wants its control token: set SIM_TOKEN/ })
  t.match(lastJson(await inTurn(words, { ...without, DATA_DIR: beside.DATA_DIR })), { ok: true }, 'by the note')
  t.match(await inTurn(words, { ...without, SIM_TOKEN: 'short' }), {
    code: 2,
    stderr: /SIM_TOKEN: its value is not allowed/,
  })
  const named = { ...alone, SIM_URL: url.replace('127.0.0.1', 'localhost.localdomain') }
  const finished = await inTurn(words, named)
  t.match(finished, { code: 2, stderr: /no simulator answers|start it with --allow-host localhost\.localdomain/ })
})
