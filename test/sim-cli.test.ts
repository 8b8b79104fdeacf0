import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { testMail } from './support/mail.ts'
import { run, start } from './support/processes.ts'
import { until } from './support/until.ts'

const folder = await mkdtemp(join(tmpdir(), 'mailsluice-sim-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const mbox = join(folder, 'Team.mbox')
const mails = [1, 2].map(one => testMail(one, 2).replaceAll('\r\n', '\n'))
await writeFile(mbox, mails.map(mail => `From bo@example.org Tue Sep  1 08:00:00 2026\n${mail}\n\n`).join(''))

t.test('sim serves the same mail as Gmail and as Outlook, on one port or on two', async t => {
  const json = async (url: string) => (await fetch(url)).json()
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
    const [, gmail, graph] = /Gmail at (http\S+) and Microsoft Graph at (http\S+)\/v1\.0/.exec(sim.stdout()) ?? []
    t.equal(gmail === graph, name === 'one')
    const held = [{ address: 'team@mbox.example', messages: 2 }]
    t.same(await json(`${gmail}/control/mailboxes`), held)
    t.same(await json(`${graph}/control/graph/mailboxes`), held)
    const faults = (await json(`${graph}/control/graph/faults`)) as { rates: object }
    t.same(faults.rates, name === 'one' ? {} : { slow: 0.1 })
    const { settings } = (await json(`${graph}/control/graph/throttling`)) as { settings: object | null }
    t.same(settings, name === 'one' ? null : {})
    sim.kill('SIGTERM')
    t.equal((await sim.exited).code, 0)
  }
})

t.test('a port that is taken, and a fault that there is not, is one clear line', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const environment = { DATA_DIR: join(folder, 'wrong') }
  const taken = await run(['sim', '--gmail', '0', '--graph', String(port)], environment)
  t.match(taken, { code: 2, stderr: `cannot listen on port ${port}: it is in use; choose another with --graph` })
  const gmail = await run(['sim', '--gmail', String(port)], environment)
  t.match(gmail, { code: 2, stderr: `cannot listen on port ${port}: it is in use; choose another with --gmail` })
  t.match(await run(['sim', '--graph-faults', 'odd=1'], environment), { code: 2, stderr: /there is no fault odd/ })
})
