import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startGraph } from '../../sim/graph.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import { sealingKey, startConnecting } from '../support/consent.ts'
import { everything } from '../support/keyspace.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { inTurn, lastJson } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'

const BO = 'bo@example.com'
const CY = 'cy@example.com'

t.test('connect outlook leads to tasks; a revoked grant parks the mailbox', async t => {
  const { sim, redis, environment } = await setUp(t, [testMailbox(BO, 12, 4)])
  sim.consent.auto = true
  const connecting = await startConnecting(environment, ['--address', BO], 'outlook')
  const { status, finished } = await connecting.consent()
  t.match({ status, code: finished.code }, { status: 200, code: 0 }, finished.stderr)
  t.match(lastJson(finished), { mailbox: `outlook:${BO}`, new: true })
  t.match(lastJson(await inTurn(['up', '--once', '--json'], environment)), { ok: true, messages: 12, tasks: 4 })
  t.notMatch((await everything(redis)).join('\n'), /1\.simulated-|EwB\.simulated-/, 'no token is readable')

  sim.tokens.revoke(BO)
  sim.deliver(BO, testMail(12, 4))
  const parked = await inTurn(['up', '--once', '--json'], environment)
  t.equal(parked.code, 1)
  t.match((await inTurn(['mailboxes'], environment)).stdout, /outlook:bo@example\.com.*parked: /)
  const again = await (await startConnecting(environment, ['--address', BO], 'outlook')).consent()
  t.match(lastJson(again.finished), { new: false, entries: 1 }, 'parked work resumes')
  t.match(lastJson(await inTurn(['up', '--once', '--json'], environment)), { ok: true })
  const { runs } = lastJson(await inTurn(['runs', '--json'], environment)) as {
    runs: { listed: number; tasks: number }[]
  }
  t.match(
    runs.filter(({ listed }) => listed > 0).map(({ listed }) => listed),
    [1, 12],
    'mail that arrived in between was read',
  )
})

t.test('mailboxes of an application need no consent and share one token', async t => {
  const { sim, environment } = await setUp(t, [testMailbox(BO, 12, 4), testMailbox(CY, 5, 5)])
  const { MAILBOXES_KEY: _, ...without } = environment
  const application = {
    ...without,
    OUTLOOK_CLIENT_SECRET: 'secret',
    OUTLOOK_TENANT: 'example.com',
    OUTLOOK_MAILBOXES: `${BO},${CY}`,
  }
  sim.resetCalls()
  t.match(lastJson(await inTurn(['up', '--once', '--json'], application)), {
    ok: true,
    mailboxes: 2,
    messages: 17,
    fates: { cached: 17 },
  })
  t.equal(sim.calls().token, 1)
  t.match(await inTurn(['up', '--once', '--json'], { ...application, OUTLOOK_TENANT: 'common' }), {
    code: 2,
    stderr: /OUTLOOK_TENANT/,
  })
})

t.test('an unreachable new mailbox does not block the others', async t => {
  const { sim, environment } = await setUp(t, [testMailbox(BO, 12, 4), testMailbox(CY, 5, 5)])
  sim.tokens.revoke(CY)
  const finished = await inTurn(['up', '--once', '--json'], environment)
  t.match(lastJson(finished), { ok: false, mailboxes: 1, messages: 12 })
  t.match(finished.stderr, /outlook:cy@example\.com.*mailbox cannot be reached/)
  t.equal(finished.code, 1)
})

async function setUp(t: Test, mailboxes: readonly SimMailbox[]) {
  const redis = await startRedis()
  const folder = await mkdtemp(join(tmpdir(), 'mailsluice-accounts-'))
  const sim = await startGraph({ profile: 'instant', mailboxes })
  t.teardown(async () => {
    await sim.close()
    await redis.stop()
    await rm(folder, { recursive: true })
  })
  const environment: Record<string, string> = {
    REDIS_URL: redis.url,
    DATA_DIR: folder,
    SIM_URL: sim.url,
    OUTLOOK_CLIENT_ID: 'client',
    MAILBOXES_KEY: sealingKey(),
  }
  return { sim, redis, environment }
}
