import t from 'tap'
import { startGmail } from '../../sim/gmail.ts'
import { testMailbox } from '../support/mail.ts'
import { run, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const ANA = 'gmail:ana@example.com'
const redis = await startRedis()
const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 4, 2)] })
t.teardown(async () => {
  await sim.close()
  await redis.stop()
})
const environment = { REDIS_URL: redis.url, SIM_URL: sim.url, KEEPER_INTERVAL: '1', DATA_DIR: '/nowhere' }
const config = (name: string, value: string) => redis.client.config('SET', name, value)
const begin = (...words: string[]) => {
  const process = start(words, environment)
  t.teardown(() => process.kill('SIGKILL'))
  return process
}
const count = (text: string, sign: RegExp) => text.split('\n').filter(line => sign.test(line)).length

t.test('long-running processes wait for a Redis that refuses the password', async t => {
  await config('requirepass', 'secret')
  const [stage, keeper, gateway, up] = [
    begin('stage', 'merge'),
    begin('keeper'),
    begin('gateway', '--port', '0'),
    begin('up'),
  ]
  const all = [stage, keeper, gateway, up]
  for (const { stderr } of all) await until(() => /refuses the password/.test(stderr()), 'it waits')
  const refused = await run(['push', ANA], { ...environment, REDIS_WAIT: '1' })
  t.not(refused.code, 0)
  t.match(
    refused.stderr,
    /refuses the password.*Waiting up to 1 second\.\n.*refuses the password.*correct REDIS_URL\n$/s,
  )
  await config('requirepass', '')
  await until(() => /merge is running/.test(stage.stderr()), 'the stage works')
  await until(() => /gateway listening/.test(gateway.stderr()), 'the gateway listens')
  await until(() => /Up and waiting/.test(up.stdout()), 'the sync is complete')
  await until(() => [keeper, up].some(({ stderr }) => /this keeper is active/.test(stderr())), 'a keeper is at work')
  for (const { stderr } of all) t.equal(count(stderr(), /refuses the password/), 1, 'it says so once')

  // The password changes at run time.
  await config('requirepass', 'secret')
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  const readers = [stage, gateway, up]
  for (const { stderr } of readers)
    await until(() => /Redis unavailable; retrying|read failed/.test(stderr()), 'it has noticed')
  await config('requirepass', '')
  const readersOf = async (stage: string) => count(String(await redis.client.client('LIST')), RegExp(` name=${stage}@`))
  await until(async () => (await readersOf('merge')) === 2, 'the stage and up read again')
  await until(async () => (await readersOf('list-ids')) === 1, 'every stage of up does')
  for (const process of all) process.kill('SIGTERM')
  for (const { exited } of all) t.match(await exited, { code: 0 })
})

t.test('with a full Redis writers wait, while readers and the keeper work', async t => {
  await config('maxmemory', '1')
  t.teardown(() => config('maxmemory', '0'))
  const [stage, keeper] = [begin('stage', 'merge'), begin('keeper')]
  const refused = await run(['push', ANA], { ...environment, REDIS_WAIT: '1' })
  t.equal(refused.code, 1)
  t.match(refused.stderr, /is full \(OOM .*raise its maxmemory/)
  t.match(await run(['status', '--json'], environment), { code: 0 })
  await until(() => /is full/.test(stage.stderr()), 'the stage waits')
  await until(() => /this keeper is active|keeper round failed/.test(keeper.stderr()), 'the keeper is at work')
  const patient = start(['push', ANA], environment)
  await until(() => /Waiting up to 10 seconds/.test(patient.stderr()), 'a command waits')
  await config('maxmemory', '0')
  t.match(await patient.exited, { code: 0 })
  await until(() => /merge is running/.test(stage.stderr()), 'the stage works')
  stage.kill('SIGTERM')
  keeper.kill('SIGTERM')
  t.match(await stage.exited, { code: 0 })
  t.match(await keeper.exited, { code: 0 })
})

t.test('a process that waits for Redis stops cleanly', async t => {
  await config('requirepass', 'secret')
  t.teardown(() => config('requirepass', ''))
  const stage = begin('stage', 'merge')
  await until(() => /refuses the password/.test(stage.stderr()), 'it waits')
  stage.kill('SIGTERM')
  t.match(await stage.exited, { code: 0 })
})
