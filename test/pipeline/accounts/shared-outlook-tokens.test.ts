import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { beginGrant } from '../../../shared/outlook/oauth.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createVault } from '../../../shared/redis/secrets.ts'
import { createSeal, parseSealingKeys } from '../../../shared/seal.ts'
import { everything } from '../../support/keyspace.ts'
import { type MicrosoftServer, startMicrosoft } from '../../support/microsoft.ts'
import { redisFor } from '../../support/redis.ts'
import { http } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'
import { type TokenWorker, tokenWorkers } from './token-worker.ts'

const ANA: MailboxId = 'outlook:ana@example.com'
const BO: MailboxId = 'outlook:bo@example.com'
const LEASE_MS = 1500
const KEY = randomBytes(32).toString('base64')
const { server, redis } = await redisFor(t)
const startWorker = tokenWorkers(t)

const keys = createKeys('test', 1)
const vault = createVault(redis, keys, createSeal(parseSealingKeys(KEY) ?? []))

t.test(
  'six processes need a token at once: Microsoft is asked once, and nothing of it is in plain in Redis',
  async t => {
    const { microsoft, workers } = await setUp(t, [ANA, ANA, ANA, ANA, ANA, ANA])
    const asked = microsoft.asked.length
    const reported = await Promise.all(workers.map(worker => worker.ask()))
    t.equal(microsoft.asked.length, asked + 1)
    t.same(new Set(reported.map(({ token }) => token)), new Set([microsoft.accessTokens.at(-1)]))
    const held = (await everything(server)).join('\n')
    t.match(held, /secret:outlook:ana@example\.com/)
    t.notMatch(held, /planted|client_info|login\.windows\.net|RefreshToken/)
  },
)

t.test('each refresh token is good once, and whichever process asks uses the last', async t => {
  const { microsoft, workers } = await setUp(t, [ANA, ANA])
  microsoft.lifeSeconds = 1
  for (const worker of [...workers, ...workers, ...workers]) {
    const { token = '', message } = await worker.ask()
    t.equal(token, microsoft.accessTokens.at(-1), message ?? '')
    await until(async () => ((await vault.read(ANA))?.access?.endsAt ?? 0) < Date.now(), 'it has ended')
  }
  const used = microsoft.asked.map(({ form }) => form.refresh_token)
  t.same(used.slice(1), microsoft.refreshTokens.slice(0, -1))
})

t.test('two mailboxes in four processes: each has its own tokens, and nothing of the other', async t => {
  const { microsoft, workers } = await setUp(t, [ANA, BO, ANA, BO])
  const reported = await Promise.all(workers.map(worker => worker.ask()))
  t.same(
    reported.map(({ token = '' }) => microsoft.ownerOf(token)),
    ['ana@example.com', 'bo@example.com', 'ana@example.com', 'bo@example.com'],
  )
  for (const mailbox of [ANA, BO]) {
    const { secret = '' } = (await vault.read(mailbox)) ?? {}
    t.same(
      [secret.includes('oid-ana@example.com'), secret.includes('oid-bo@example.com')],
      [mailbox === ANA, mailbox === BO],
    )
  }
})

t.test('the process that asks is killed meanwhile: another asks once the lease is over', async t => {
  const { microsoft, workers } = await setUp(t, [ANA, ANA, ANA])
  const [victim, ...others] = workers
  const before = microsoft.refreshes()
  microsoft.answering = 'never'
  void victim?.ask().catch(() => undefined)
  await until(() => microsoft.refreshes() === before + 1, 'it asks')
  microsoft.answering = 'grants'
  await victim?.kill()
  const reported = await Promise.all(others.map(worker => worker.ask()))
  t.equal(microsoft.refreshes(), before + 2)
  t.same(new Set(reported.map(({ token }) => token)), new Set([microsoft.accessTokens.at(-1)]))
  t.ok(
    reported.every(({ ms }) => ms < LEASE_MS + 5000),
    JSON.stringify(reported),
  )
})

t.test(
  'a dead grant is asked for once by six, all know it for unauthorized, and connected again it goes on',
  async t => {
    const { microsoft, workers } = await setUp(t, [ANA, ANA, ANA, ANA, ANA, ANA])
    const before = microsoft.refreshes()
    microsoft.revoke('ana@example.com')
    for (let round = 0; round < 2; round += 1) {
      for (const { kind, message = '' } of await Promise.all(workers.map(worker => worker.ask()))) {
        t.equal(kind, 'unauthorized')
        t.match(message, /400 invalid_grant AADSTS700082; connect the mailbox again$/)
        t.notMatch(message, /planted/)
      }
    }
    t.equal(microsoft.refreshes(), before + 1)
    await grant(microsoft, ANA)
    t.equal((await workers[0]?.ask())?.token, microsoft.accessTokens.at(-1))
  },
)

async function setUp(t: Test, mailboxes: readonly MailboxId[]) {
  const microsoft = await startMicrosoft()
  t.teardown(() => microsoft.close())
  for (const mailbox of new Set(mailboxes)) await grant(microsoft, mailbox)
  const app = { clientId: 'client', tenant: 'common', loginUrl: microsoft.url }
  const task = { redisUrl: server.url, app, key: KEY, leaseMs: LEASE_MS }
  const workers: TokenWorker[] = await Promise.all(mailboxes.map(mailbox => startWorker(t, { ...task, mailbox })))
  return { microsoft, workers }
}

async function grant({ url }: MicrosoftServer, mailbox: MailboxId): Promise<void> {
  const app = { clientId: 'client', tenant: 'common', loginUrl: url, http }
  const { cache } = await beginGrant(app, `simulated:${mailbox.slice('outlook:'.length)}`, 'a test')
  await vault.put(mailbox, { secret: cache })
}
