import t from 'tap'
import { ANA, BO, keys, setUpAccounts, tasksOf } from '../support/accounts.ts'
import { connect, sealingKey } from '../support/consent.ts'
import { inTurn, lastJson, run } from '../support/processes.ts'

t.test('rekey re-seals accounts, and the old key is no longer needed', async t => {
  const { oauth, environment } = await setUpAccounts(t)
  await connect(environment)
  oauth.consents = { address: 'bo@example.com' }
  await connect(environment)
  const [old = '', recreated] = [environment.MAILBOXES_KEY, sealingKey()]
  const both = { ...environment, MAILBOXES_KEY: `v2:${recreated},v1:${old}` }
  const ends = await Promise.all([run(['rekey', '--json'], both), run(['rekey', '--json'], both)])
  t.same(
    ends.map(({ code }) => code),
    [0, 0],
  )
  for (const end of ends) {
    const { resealed: _, ...reported } = lastJson(end)
    t.same(reported, { key: 'v2', accounts: 2, failed: [] })
  }
  t.match(
    (await inTurn(['rekey'], both)).stdout,
    /2 accounts, 0 re-sealed with key v2; older keys are no longer needed/,
  )
  t.match(await inTurn(['up', '--once', '--json'], { ...environment, MAILBOXES_KEY: `v2:${recreated}` }), { code: 0 })

  const wrong = { ...environment, MAILBOXES_KEY: `v3:${sealingKey()},v2:${sealingKey()}` }
  const failed = await inTurn(['rekey'], wrong)
  t.equal(failed.code, 1)
  t.match(failed.stdout, /the account of gmail:ana@example\.com does not open with key v2 of MAILBOXES_KEY/)
  t.match(failed.stdout, /gmail:bo@example\.com/)
  t.notMatch(failed.stdout + failed.stderr, /planted/)
})

t.test('a mailbox with a wrong key does not block the others', async t => {
  const { oauth, redis, environment } = await setUpAccounts(t)
  await connect(environment)
  oauth.consents = { address: 'bo@example.com' }
  await connect({ ...environment, MAILBOXES_KEY: `v2:${sealingKey()}` })
  const finished = await inTurn(['up', '--once', '--json'], environment)
  t.match(lastJson(finished), { ok: false })
  t.equal((await tasksOf(redis, ANA)).length, 6)
  t.match(await redis.client.hget(keys.mailbox(BO), 'statusReason'), /MAILBOXES_KEY does not hold v2/)
})
