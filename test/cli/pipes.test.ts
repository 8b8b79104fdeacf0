import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMailbox } from '../support/mail.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const MAIN = fileURLToPath(new URL('../../pipeline/main.js', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'mailsluice-pipes-'))
const redis = await startRedis()
const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 3, 3)] })
t.teardown(async () => {
  await sim.close()
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})
const environment = { REDIS_URL: redis.url, SIM_URL: sim.url, DATA_DIR: join(folder, 'data') }

/** Runs a command whose reader leaves at its first bytes, or before; with `both` whoever reads its errors leaves, too. */
async function withoutReader(words: string[], { both = false, at = 'once' as 'once' | 'first bytes' } = {}) {
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const child = spawn(process.execPath, [MAIN, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => void child.kill('SIGKILL'))
  let said = ''
  if (at === 'first bytes') await once(child.stdout, 'data')
  child.stdout.destroy()
  if (both) child.stderr.destroy()
  else child.stderr.on('data', chunk => (said += chunk))
  const ended = once(child, 'exit').then(([code]) => ({ code, said }))
  return { ended }
}

t.test('`up --once` finishes its work though nobody reads its output, nor its log', async t => {
  const { ended } = await withoutReader(['up', '--once'], { both: true })
  t.equal((await ended).code, 0)
  const [run] = await listRuns(redis.client, createKeys('mailsluice', 8), 10)
  t.match(run, { listed: 3, tasks: 3, settled: true })
  t.ok(run?.endedAt)
})

t.test('its exit code is that of its work', async t => {
  const failing = await withoutReader(['sync', 'gmail:nobody@example.com'])
  const { code, said } = await failing.ended
  t.equal(code, 1, said)
  t.notMatch(said, /EPIPE/)
})

t.test('a command that only shows something ends quietly', async t => {
  for (const words of [['runs', '--json'], ['--help']]) {
    const { ended } = await withoutReader(words)
    t.same(await ended, { code: 0, said: '' }, words.join(' '))
  }
})

t.test('`tail` ends with its reader, with the next entry', async t => {
  const { ended } = await withoutReader(['tail', 'message-ids', '--json', '--from-start'], { at: 'first bytes' })
  const keys = createKeys('mailsluice', 8)
  let over = false
  const finished = ended.finally(() => {
    over = true
  })
  await until(async () => {
    await redis.client.xadd(keys.stream('p03', 'message-ids', 'live'), '*', 'envelope', 'more')
    return over
  }, 'it has ended')
  t.same(await finished, { code: 0, said: '' })
})

t.test('`sim` and `up` stop cleanly once nobody reads what they say', async t => {
  await writeFile(join(folder, 'one.mbox'), 'From a@x Tue Sep  1 08:00:00 2026\nSubject: a\n\na\n\n')
  const simulator = await withoutReader(['sim', '--gmail', '0', '--mbox', join(folder, 'one.mbox')])
  t.equal((await simulator.ended).code, 0)
  t.notOk(existsSync(join(folder, 'data', 'sim.json')), 'it leaves no note behind')
  const up = await withoutReader(['up'], { at: 'first bytes' })
  t.equal((await up.ended).code, 0)
})

t.test('output that a full disk loses is an error, and told', { skip: !existsSync('/dev/full') }, async t => {
  const full = await open('/dev/full', 'w')
  t.teardown(() => full.close())
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const child = spawn(process.execPath, [MAIN, 'runs'], { env, stdio: ['ignore', full.fd, 'pipe'] })
  let said = ''
  child.stderr?.on('data', chunk => (said += chunk))
  const [code] = await once(child, 'close')
  t.equal(code, 1)
  t.match(said, /the output cannot be written: .*ENOSPC/)
  t.notMatch(said, /\n\s+at /)
})
