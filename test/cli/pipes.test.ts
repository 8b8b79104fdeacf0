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

/** Runs a command whose reader closes at the first bytes, or earlier; with `both` the reader of stderr closes too. */
async function withoutReader(words: string[], { both = false, at = 'once' as 'once' | 'first bytes' } = {}) {
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const child = spawn(process.execPath, [MAIN, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => void child.kill('SIGKILL'))
  let errors = ''
  if (at === 'first bytes') await once(child.stdout, 'data')
  child.stdout.destroy()
  if (both) child.stderr.destroy()
  else child.stderr.on('data', chunk => (errors += chunk))
  const ended = once(child, 'exit').then(([code]) => ({ code, errors }))
  return { ended }
}

t.test('`up --once` finishes although nobody reads its output or log', async t => {
  const { ended } = await withoutReader(['up', '--once'], { both: true })
  t.equal((await ended).code, 0)
  const [run] = await listRuns(redis.client, createKeys('mailsluice', 8), 10)
  t.match(run, { listed: 3, tasks: 3, settled: true })
  t.ok(run?.endedAt)
})

t.test('the exit code without a reader reflects the work', async t => {
  const failing = await withoutReader(['sync', 'gmail:nobody@example.com'])
  const { code, errors } = await failing.ended
  t.equal(code, 1, errors)
  t.notMatch(errors, /EPIPE/)
})

t.test('a read-only command ends quietly without a reader', async t => {
  for (const words of [['runs', '--json'], ['--help']]) {
    const { ended } = await withoutReader(words)
    t.same(await ended, { code: 0, errors: '' }, words.join(' '))
  }
})

t.test('`tail` ends at the next entry after its reader has gone', async t => {
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
  t.same(await finished, { code: 0, errors: '' })
})

t.test('`sim` and `up` stop cleanly when their reader is gone', async t => {
  await writeFile(join(folder, 'one.mbox'), 'From a@x Tue Sep  1 08:00:00 2026\nSubject: a\n\na\n\n')
  const simulator = await withoutReader(['sim', '--gmail', '0', '--mbox', join(folder, 'one.mbox')])
  t.equal((await simulator.ended).code, 0)
  t.notOk(existsSync(join(folder, 'data', 'sim.json')), 'it leaves no note behind')
  const up = await withoutReader(['up'], { at: 'first bytes' })
  t.equal((await up.ended).code, 0)
})

t.test('output lost to a full disk is reported as an error', { skip: !existsSync('/dev/full') }, async t => {
  const full = await open('/dev/full', 'w')
  t.teardown(() => full.close())
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const child = spawn(process.execPath, [MAIN, 'runs'], { env, stdio: ['ignore', full.fd, 'pipe'] })
  let errors = ''
  child.stderr?.on('data', chunk => (errors += chunk))
  const [code] = await once(child, 'close')
  t.equal(code, 1)
  t.match(errors, /cannot write the output: .*ENOSPC/)
  t.notMatch(errors, /\n\s+at /)
})
