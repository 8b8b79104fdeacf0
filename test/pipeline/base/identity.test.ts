import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { consumerName, isKnownDead } from '../../../pipeline/base/identity.ts'
import { pidScope, startOf } from '../../../pipeline/base/process-state.ts'
import { until } from '../../support/until.ts'

const IDENTITY = new URL('../../../pipeline/base/identity.js', import.meta.url).href
const SAY_AND_STAY = `
  const { consumerName, isKnownDead } = await import('${IDENTITY}')
  console.log(JSON.stringify({ name: consumerName('web'), sees: isKnownDead(process.argv[1] ?? '') }))
  setInterval(() => undefined, 1000)`

/** Starts a process that prints its consumer name and whether it considers `other` dead, and then keeps running. */
async function consumer(t: Test, other: string, before: readonly string[] = []) {
  const words = [...before, process.execPath, '--input-type=module', '-e', SAY_AND_STAY, other]
  const child = spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
  })
  await until(() => said.endsWith('\n'), 'it has printed its name')
  return { ...(JSON.parse(said) as { name: string; sees: boolean }), kill }
}

const changed = (name: string, place: number, word: string) => name.split(':').with(place, word).join(':')

t.test('an ended process of this host is known dead at once', async t => {
  const mine = consumerName('web')
  t.equal(isKnownDead(mine), false)
  const { name, sees, kill } = await consumer(t, mine)
  t.equal(isKnownDead(name), false)
  t.equal(sees, false)
  await kill()
  t.equal(isKnownDead(name), true)
})

t.test('a reused process id still counts as ended', async t => {
  const mine = consumerName('web')
  t.equal(isKnownDead(changed(mine, 3, `${Number(startOf('self')) - 1}`)), true)
  t.equal(isKnownDead(consumerName('web')), false, 'two consumers of one process are alive together')
})

t.test('ids of another boot, PID namespace or machine are unknown', async t => {
  const ended = `${spawnSync(process.execPath, ['--version']).pid}`
  const gone = changed(consumerName('web'), 1, ended)
  t.equal(isKnownDead(gone), true)
  t.equal(isKnownDead(changed(gone, 2, '0123456789ab')), false)
  t.equal(isKnownDead(changed(gone, 2, '-')), false, 'a system without this information')
  t.equal(isKnownDead(`web:${ended}:a1b2c3`), false, 'a name of an earlier version')
  t.equal(isKnownDead('__released'), false)
})

const apart = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
const mayApart = spawnSync(apart[0] ?? '', [...apart.slice(1), 'true']).status === 0

t.test(
  'two containers with one host name do not declare each other dead',
  { skip: mayApart ? false : 'unshare is not allowed here' },
  async t => {
    const mine = consumerName('web')
    const other = await consumer(t, mine, apart)
    t.match(other.name, /^web:1:/, 'it is the first process of a PID namespace')
    t.not(other.name.split(':')[2], pidScope)
    t.equal(other.sees, false)
    t.equal(isKnownDead(other.name), false)
    await other.kill()
    t.equal(isKnownDead(other.name), false, 'only its lease shows that it has ended')
  },
)

t.test('a zombie process is dead', async t => {
  // The shell becomes a program that never reaps its child.
  const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const [said] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = said.toString().trim()
  await until(async () => /\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8')), 'it has ended')
  const start = startOf(Number(pid)) ?? ''
  t.equal(isKnownDead(changed(changed(consumerName('web'), 1, pid), 3, start)), true)
})
