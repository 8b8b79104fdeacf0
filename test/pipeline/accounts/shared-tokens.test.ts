import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { googleRenewal } from '../../../pipeline/accounts/renewal.ts'
import { sharedTokens } from '../../../pipeline/accounts/shared-tokens.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLease } from '../../../shared/redis/lease.ts'
import { createVault } from '../../../shared/redis/secrets.ts'
import { createSeal, parseSealingKeys } from '../../../shared/seal.ts'
import { type OAuthServer, startOAuth } from '../../support/oauth.ts'
import { redisFor } from '../../support/redis.ts'
import { http } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'
import { type TokenTask, type TokenWorker, tokenWorkers } from './token-worker.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const LEASE_MS = 1500
const KEY = randomBytes(32).toString('base64')
const { server, redis } = await redisFor(t)
const startWorker = tokenWorkers(t)

const keys = createKeys('test', 1)
const vault = createVault(redis, keys, createSeal(parseSealingKeys(KEY) ?? []))
const { signal } = new AbortController()

t.test('six processes need a token at once: Google is asked once, and all have the same', async t => {
  const { oauth, workers } = await setUp(t, 6)
  const reported = await Promise.all(workers.map(worker => worker.ask()))
  t.equal(oauth.refreshes, 1)
  t.same(
    reported.map(({ token }) => token),
    Array.from({ length: 6 }, () => oauth.accessTokens[0]),
  )
  t.notMatch(JSON.stringify(await redis.hgetall(keys.secret(ANA))), /planted/)
})

t.test('the process that asks is killed meanwhile: another asks once the lease is over, not later', async t => {
  const { oauth, workers } = await setUp(t, 3)
  const [victim, ...others] = workers
  oauth.refreshing = 'never'
  void victim?.ask().catch(() => undefined)
  await until(() => oauth.refreshes === 1, 'it asks')
  oauth.refreshing = 'grants'
  await victim?.kill()
  const reported = await Promise.all(others.map(worker => worker.ask()))
  t.equal(oauth.refreshes, 2)
  t.same(
    reported.map(({ token }) => token),
    [oauth.accessTokens[0], oauth.accessTokens[0]],
  )
  t.ok(
    reported.every(({ ms }) => ms < LEASE_MS + 5000),
    JSON.stringify(reported),
  )
})

t.test('a dead grant is asked for once by six, and all know it for unauthorized', async t => {
  const { oauth, workers } = await setUp(t, 6)
  oauth.revoke('ana@example.com')
  const reported = await Promise.all(workers.map(worker => worker.ask()))
  t.equal(oauth.refreshes, 1)
  for (const { kind, message = '' } of reported) {
    t.equal(kind, 'unauthorized')
    t.match(message, /invalid_grant; connect the mailbox again/)
    t.notMatch(message, /planted/)
  }
  await vault.put(ANA, { secret: oauth.grant('ana@example.com') })
  t.equal((await workers[0]?.ask())?.token, oauth.accessTokens[0], 'connected again, it goes on at once')
})

t.test('an endpoint that fails is unavailable, and six do not storm it', async t => {
  const { oauth, workers } = await setUp(t, 6)
  oauth.refreshing = { status: 503, error: 'backend_error' }
  const reported = await Promise.all(workers.map(worker => worker.ask()))
  t.same(new Set(reported.map(({ kind }) => kind)), new Set(['unavailable']))
  t.equal(oauth.refreshes, 6, 'each is told once')
  t.ok(oauth.shortestGapMs > 900, `one a second: ${oauth.shortestGapMs} ms`)
  t.match(await vault.read(ANA), { refused: undefined })
})

t.test('a refresh token that Google replaces is the one that is used next', async t => {
  const { oauth, workers } = await setUp(t, 2)
  oauth.rotates = true
  oauth.lifeSeconds = 1
  for (const worker of [...workers, ...workers]) {
    const { token = '' } = await worker.ask()
    t.ok(oauth.accessTokens.includes(token))
    await until(async () => ((await vault.read(ANA))?.access?.endsAt ?? 0) < Date.now(), 'it has ended')
  }
  t.equal(oauth.refreshes, 4)
  t.equal((await vault.read(ANA))?.secret, oauth.refreshTokens.at(-1))
})

t.test('a mailbox that is connected again while its old grant is asked for gets the new one', async t => {
  const { oauth, tokens } = await setUp(t, 0)
  const old = oauth.grant('ana@example.com')
  await vault.put(ANA, { secret: old })
  oauth.refreshing = 'never'
  const asked = tokens({ timeoutMs: 1000 }).get('a test', signal)
  asked.catch(() => undefined)
  await until(() => oauth.refreshes === 1, 'the old one is asked for')
  oauth.refreshing = 'grants'
  await vault.put(ANA, { secret: oauth.grant('ana@example.com') })
  await t.rejects(asked, { message: /no answer/ }, 'that call is lost')
  const token = await tokens().get('a test', signal)
  t.equal(token, oauth.accessTokens.at(-1))
  t.match(await vault.read(ANA), { access: { token }, refused: undefined })
})

t.test('a token is replaced before it ends, and the old one serves while another process asks', async t => {
  const { oauth, tokens } = await setUp(t, 0)
  let now = Date.now()
  const [one, two] = [tokens({ now: () => now }), tokens({ now: () => now })]
  const first = await one.get('a test', signal)
  now += 3_600_000 - 61_000
  t.equal(await two.get('a test', signal), first, 'a minute before its end it is still good')
  now += 2000
  oauth.refreshing = 'never'
  const asking = one.get('a test', signal)
  asking.catch(() => undefined)
  await until(() => oauth.refreshes === 2, 'one asks for another')
  t.equal(await two.get('a test', signal), first, 'the other goes on with the old one')
  oauth.refreshing = 'grants'
})

t.test('how long a token lasts is kept by the clock that is shared, not by the machine of who asked', async t => {
  const { tokens } = await setUp(t, 0)
  const now = () => Date.now() + 3_600_000
  await tokens({ now }).get('a test', signal)
  const access = (await vault.read(ANA))?.access
  t.ok(access && access.endsAt > now() + 3_000_000, 'an hour from what is now for all')
  t.ok(access && access.givenAt <= now())
})

t.test('a token that Google refuses is replaced for all, unless it was given just now', async t => {
  const { oauth, tokens } = await setUp(t, 0)
  let now = Date.now()
  const [one, two] = [tokens({ now: () => now }), tokens({ now: () => now })]
  const first = await one.get('a test', signal)
  await two.get('a test', signal)
  t.equal(await one.refused(first), false, 'so new a token is not at fault')
  const second = await one.get('a test', signal)
  t.not(second, first)
  t.equal(await two.refused(first), true, 'another has been got already')
  t.equal(await two.get('a test', signal), second)
  now += 120_000
  t.equal(await one.refused(second), true)
  t.equal((await vault.read(ANA))?.access, undefined)
  t.equal(oauth.refreshes, 2)
})

t.test('without an account the mailbox has to be connected; with another source that is used', async t => {
  const { tokens } = await setUp(t, 0)
  await redis.del(keys.secret(ANA))
  await t.rejects(tokens().get('a test', signal), { message: /connect gmail --address ana@example.com/ })
  const otherwise = { get: async () => 'of the settings', refused: async () => true }
  t.equal(await tokens({ otherwise }).get('a test', signal), 'of the settings')
})

async function setUp(t: Test, count: number) {
  const oauth: OAuthServer = await startOAuth()
  t.teardown(() => oauth.close())
  await vault.put(ANA, { secret: oauth.grant('ana@example.com') })
  const app = {
    clientId: 'client',
    clientSecret: 'planted-secret',
    authUrl: `${oauth.url}/o/oauth2/v2/auth`,
    tokenUrl: `${oauth.url}/token`,
    revokeUrl: `${oauth.url}/revoke`,
  }
  const task: TokenTask = { redisUrl: server.url, app, mailbox: ANA, key: KEY, leaseMs: LEASE_MS }
  const workers: TokenWorker[] = await Promise.all(Array.from({ length: count }, () => startWorker(t, task)))
  type More = Partial<Omit<Parameters<typeof sharedTokens>[1], 'renewal'>> & { timeoutMs?: number }
  const tokens = ({ timeoutMs, ...more }: More = {}) =>
    sharedTokens(ANA, {
      vault,
      lease: createLease(redis, keys.refreshing(ANA)),
      renewal: googleRenewal(() => ({ ...app, timeoutMs, http })),
      leaseMs: LEASE_MS,
      ...more,
    })
  return { oauth, workers, tokens }
}
