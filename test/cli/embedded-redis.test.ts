import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startGmail } from '../../sim/gmail.ts'
import { testMailbox } from '../support/mail.ts'
import { run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'

const ANA = 'gmail:ana@example.com'

t.test('a crashed embedded Redis restarts; otherwise `up` ends with the reason', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailsluice-data-'))
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 4, 2)] })
  const environment = { DATA_DIR: dataDir, SIM_URL: sim.url, DRAIN_MS: '500', REDIS_WAIT: '30' }
  const up = start(['up'], environment)
  t.teardown(async () => {
    up.kill('SIGKILL')
    await sim.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const note = async () =>
    JSON.parse(await readFile(join(dataDir, 'redis.json'), 'utf8')) as { pid: number; url: string }
  await until(() => /Up and waiting/.test(up.stdout()), 'it is up')
  const first = await note()

  process.kill(first.pid, 'SIGKILL')
  const push = run(['sync', ANA, '--json'], environment)
  await until(async () => (await note()).pid !== first.pid, 'another server runs')
  t.equal((await note()).url, first.url)
  t.match(await push, { code: 0 }, 'a command waits for it, and all stages work')
  t.match(up.stderr(), /redis-server .* ended unexpectedly; restarting it/)
  t.match(up.stderr(), /redis-server .* is running again/)

  await writeFile(join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'not a manifest\n')
  process.kill((await note()).pid, 'SIGKILL')
  const { code, stderr } = await up.exited
  t.equal(code, 1)
  t.match(stderr, /mailsluice: redis-server .* ended and cannot be restarted \(.*manifest.*redis\.log/)
})
