import t from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { markDue, subscriptionMemory } from '../../shared/redis/subscriptions.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { startSimulators } from '../../sim/both.ts'
import { everything } from '../support/keyspace.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { inTurn, lastJson, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const OUTLOOK = 'outlook:ana@example.com'
const GMAIL = 'gmail:ana@example.com'

t.test('removing an Outlook mailbox deletes its name, ids, folders and links', async t => {
  const redis = await startRedis()
  const sims = await startSimulators({
    profile: 'instant',
    gmail: [testMailbox('ana@example.com', 12, 3)],
    graph: [testMailbox('ana@example.com', 30, 6)],
  })
  t.teardown(async () => {
    await sims.close()
    await redis.stop()
  })
  const environment = {
    REDIS_URL: redis.url,
    PARTITIONS: '1',
    SIM_URL: sims.url,
    INITIAL_SYNC: 'all',
    LEASE_MS: '1000',
  }
  const up = start(['up', '--only', STAGE_NAMES.join(',')], environment)
  t.teardown(() => up.kill('SIGKILL'))
  await until(() => up.stdout().includes('Ctrl-C stops.'), 'it is up')
  for (const mailbox of [OUTLOOK, GMAIL])
    t.match(lastJson(await inTurn(['sync', mailbox, '--json'], environment)), { ok: true })

  // The mailbox changes in every possible way, so that every kind of key exists.
  const ana = sims.graph.mailbox('ana@example.com')
  const [moved = '', deleted = ''] = ana.ids('inbox')
  const mail = ana.ids()
  ana.move('Projects/Rome', moved)
  ana.delete(deleted)
  ana.expireDelta('inbox')
  const { id } = sims.graph.deliver('ana@example.com', testMail(30, 6))
  t.match(lastJson(await inTurn(['sync', OUTLOOK, '--json'], environment)), { ok: true })
  const keys = createKeys('mailsluice', 1)
  const { client } = redis
  await subscriptionMemory(client, keys, OUTLOOK).write({ id: 'order-1', terms: 'planted-terms' })
  await markDue(client, keys, 'order-1', 'renew')
  const others = (await everything(redis)).filter(text => text.includes(GMAIL) && !text.includes(OUTLOOK))
  for (const kind of ['link', 'folders', 'threads-of', 'thread', 'msg'])
    t.ok((await client.keys(`*:${kind}:${OUTLOOK}*`)).length > 0, kind)

  t.match(await inTurn(['remove', OUTLOOK, '--yes'], environment), { code: 0, stdout: /removed: / })
  const folders = ['inbox', 'archive', 'Projects/Rome'].map(folder => ana.folderId(folder))
  const words = [OUTLOOK, ...mail, id, ...folders, 'order-1', 'planted-terms', 'deltatoken']
  const left = async () => (await everything(redis)).filter(text => words.some(word => text.includes(word)))
  await until(async () => (await left()).length === 0, 'nothing is left').catch(async () =>
    t.same(
      (await left()).map(text => text.slice(0, 300)),
      [],
    ),
  )
  t.equal(await client.hlen(keys.subscriptions), 0)
  const isThere = new Set(await everything(redis))
  t.same(
    others.filter(text => !isThere.has(text)).map(text => text.slice(0, 200)),
    [],
    'the Gmail mailbox of the same address is untouched',
  )
  up.kill('SIGTERM')
  await up.exited
})
