import t from 'tap'
import { STAGE_NAMES } from '../../shared/stage.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { ANA, BO, keys, push, setUpAccounts, startUp, tasksOf, waitForTasks, waitingIn } from '../support/accounts.ts'
import { connect } from '../support/consent.ts'
import { everything } from '../support/keyspace.ts'
import { inTurn, lastJson, start } from '../support/processes.ts'
import type { TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

t.test('removing a mailbox deletes its name, ids and mail, and nothing else', async t => {
  const { oauth, sim, redis, environment } = await setUpAccounts(t)
  await connect(environment)
  oauth.consents = { address: 'bo@example.com' }
  await connect(environment)
  const up = await startUp(t, environment)
  await waitForTasks(redis, 0, ANA)
  await waitForTasks(redis, 0, BO)
  await plantLeftovers(redis)
  const ofBo = await tasksOf(redis, BO)
  const others = (await everything(redis)).filter(text => text.includes(BO)).length

  t.match(await inTurn(['remove', ANA], environment), { code: 2, stdout: '', stderr: /pass --yes/ })
  t.ok((await everything(redis)).some(text => text.includes(ANA)))
  const removed = await inTurn(['remove', ANA, '--yes', '--json'], environment)
  t.match(lastJson(removed), { mailbox: ANA, connected: true, access: 'taken back' }, removed.stderr)
  t.equal(oauth.revoked.length, 1)
  const mailOfAna = await idsOf(sim, 'ana@example.com')
  await until(
    async () => (await leftOf(redis, mailOfAna)).length === 0,
    'the stages have dropped what was waiting',
  ).catch(async () =>
    t.same(
      (await leftOf(redis, mailOfAna)).map(text => text.slice(0, 300)),
      [],
    ),
  )
  t.equal((await everything(redis)).filter(text => text.includes(BO)).length, others)
  t.same(await tasksOf(redis, BO), ofBo)

  await push(redis)
  oauth.consents = { address: 'ana@example.com' }
  t.match(lastJson(await connect(environment)), { mailbox: ANA, new: true })
  t.equal(await waitForTasks(redis, 0, ANA), 6, 'every thread is new again')
  up.kill('SIGTERM')
  await up.exited
})

t.test('queued entries of a removed mailbox are dropped and counted', async t => {
  const { redis, environment } = await setUpAccounts(t)
  await connect(environment)
  const listing = start(['stage', 'list-ids'], environment)
  t.teardown(() => listing.kill('SIGKILL'))
  await until(
    async () => (await waitingIn(redis, 'message-ids')) === 2,
    'thirty ids wait in two slices for a stage that does not run',
  )
  const removed = await inTurn(['remove', ANA, '--yes', '--json'], environment)
  t.match(lastJson(removed), { waiting: 2 })
  t.match(
    (await inTurn(['remove', ANA, '--yes'], environment)).stdout,
    /was not connected.*\n2 entries are still queued/,
  )
  t.equal((await connect(environment)).code, 0)
  await until(async () => (await waitingIn(redis, 'message-ids')) === 4, 'the mailbox is listed again')
  listing.kill('SIGTERM')
  await listing.exited

  const finished = await inTurn(['up', '--once', '--json'], environment)
  t.match(lastJson(finished), { ok: true })
  const dropped = [...finished.stderr.matchAll(/"entries":(\d+),"msg":"dropped entries of a mailbox/g)]
  t.equal(
    dropped.reduce((sum, [, count]) => sum + Number(count), 0),
    2,
  )
  t.equal((await tasksOf(redis, ANA)).length, 6)
})

/** Writes work of Ana's to every place where work can wait or end. */
async function plantLeftovers({ client }: TestRedis): Promise<void> {
  for (const stage of STAGE_NAMES) {
    const of = {
      v: 1,
      id: `left/${stage}`,
      run: 'left',
      mailbox: ANA,
      at: 1,
      attempt: 0,
      lane: 'live',
      body: {},
    }
    const text = JSON.stringify(of)
    const later = Date.now() + 3_600_000
    await client.zadd(keys.delay('p00', stage), later, `${keys.stream('p00', 'missing-ids', 'live')}\n${text}`)
    await client.xadd(
      keys.dead('p00', stage),
      '*',
      'envelope',
      text,
      'stage',
      stage,
      'stream',
      'missing-ids',
      'kind',
      'rejected',
    )
  }
  // A run that is missing from the index.
  await client.hset(keys.run('p00', 'forgotten'), 'mailbox', ANA, 'startedAt', '1')
  await client.hset(keys.window('p00', 'forgotten', '1'), 'of', '1')
}

/** Returns the Redis contents that name Ana's mailbox, or a message or thread in it. */
async function leftOf(redis: TestRedis, ids: ReadonlySet<string>): Promise<string[]> {
  const words = [ANA, 'forgotten', ...ids]
  return (await everything(redis)).filter(text => words.some(word => text.includes(word)))
}

async function idsOf(sim: GmailSimulator, address: string): Promise<Set<string>> {
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: `simulated:${address}` })
  const token = (await (await fetch(`${sim.url}/token`, { method: 'POST', body: form })).json()) as {
    access_token: string
  }
  const headers = { authorization: `Bearer ${token.access_token}` }
  const answer = await fetch(`${sim.url}/gmail/v1/users/me/messages?maxResults=500`, { headers })
  const { messages } = (await answer.json()) as { messages: { id: string; threadId: string }[] }
  return new Set(messages.flatMap(({ id, threadId }) => [id, threadId]))
}
