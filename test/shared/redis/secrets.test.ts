import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createVault, type Issuer } from '../../../shared/redis/secrets.ts'
import { createSeal } from '../../../shared/seal.ts'
import { clusterFor } from '../../support/redis.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const BO: MailboxId = 'gmail:bo@example.com'
const { redis } = await clusterFor(t)

const keys = createKeys('test', 1)
const one = { version: 'v1', key: randomBytes(32) }
const two = { version: 'v2', key: randomBytes(32) }
const vault = createVault(redis, keys, createSeal([one]))
const access = { token: 'plain-access', givenAt: 1, endsAt: 2 }

t.test('an account is stored sealed and opens with the key', async t => {
  t.equal(await vault.read(ANA), undefined)
  await vault.put(ANA, { secret: 'plain-refresh', access })
  t.match(await vault.read(ANA), { secret: 'plain-refresh', access, refused: undefined })
  t.notMatch(JSON.stringify(await redis.hgetall(keys.secret(ANA))), /plain/)
  t.same([...(await createVault(redis, keys, createSeal([])).has([ANA, BO]))], [ANA])
})

t.test('a sealed value in another mailbox or field is refused', async t => {
  await vault.put(ANA, { secret: 'of ana', access })
  await vault.put(BO, { secret: 'of bo', access })
  await redis.hset(keys.secret(BO), 'refresh', (await redis.hget(keys.secret(ANA), 'refresh')) ?? '')
  await t.rejects(vault.read(BO), { message: /the account of gmail:bo@example.com does not open with key v1/ })
  await redis.hset(keys.secret(ANA), 'access', (await redis.hget(keys.secret(ANA), 'refresh')) ?? '')
  t.match(await vault.read(ANA), { secret: 'of ana', access: undefined }, 'a new access token is requested')
  await redis.hset(keys.secret(ANA), 'refresh', 'spoiled')
  await t.rejects(vault.read(ANA), { message: /the account of gmail:ana@example.com is sealed with key v\?/ })
})

t.test('an unreadable access token is deleted, counted and replaceable', async t => {
  const counts: number[] = []
  const seal = createSeal([one])
  const counting = createVault(redis, keys, seal, count => counts.push(count))
  const place = { mailbox: ANA, name: 'access' }
  const spoiled = ['no sealed text', seal.seal('{"token"', place), seal.seal('{"token":1}', place)]
  for (const text of spoiled) {
    await vault.put(ANA, { secret: 'of ana', access })
    await redis.hset(keys.secret(ANA), 'access', text)
    t.match(await counting.read(ANA), { secret: 'of ana', access: undefined })
    t.equal(await redis.hexists(keys.secret(ANA), 'access'), 0)
    await redis.hset(keys.secret(ANA), 'access', text)
    await counting.forget(ANA, access.token)
    t.equal(await counting.reseal(ANA), 0)
  }
  t.same(counts, [1, 1, 1, 1, 1, 1])
})

t.test('a refresh is not stored after its grant changed', async t => {
  await vault.put(ANA, { secret: 'old' })
  const old = (await vault.read(ANA))?.id ?? ''
  await vault.put(ANA, { secret: 'new' })
  t.equal(await vault.refreshed(ANA, old, { access, secret: 'late' }), false)
  t.equal(await vault.refuse(ANA, old, 'the old one is dead'), false)
  t.match(await vault.read(ANA), { secret: 'new', access: undefined, refused: undefined })
  const id = (await vault.read(ANA))?.id ?? ''
  await redis.del(keys.secret(ANA))
  t.equal(await vault.refreshed(ANA, id, { access }), false)
  t.equal(await redis.exists(keys.secret(ANA)), 0, 'a removed account does not come back')
})

t.test('a replaced refresh token is stored under another id', async t => {
  await vault.put(ANA, { secret: 'first' })
  const { id = '' } = (await vault.read(ANA)) ?? {}
  t.equal(await vault.refreshed(ANA, id, { access, secret: 'second' }), true)
  const grant = await vault.read(ANA)
  t.match(grant, { secret: 'second', access })
  t.not(grant?.id, id)
})

t.test('a refused access token is deleted unless already replaced', async t => {
  await vault.put(ANA, { secret: 'r', access })
  await vault.forget(ANA, 'another')
  t.match(await vault.read(ANA), { access })
  await vault.forget(ANA, access.token)
  t.equal((await vault.read(ANA))?.access, undefined)
})

t.test('resealing makes the old key unnecessary, even when run twice', async t => {
  await vault.put(ANA, { secret: 'r', access })
  const both = createVault(redis, keys, createSeal([two, one]))
  const counts = await Promise.all(Array.from({ length: 8 }, () => both.reseal(ANA)))
  t.equal(
    counts.reduce((sum, count) => sum + count, 0),
    2,
    'each value once',
  )
  const recreated = createVault(redis, keys, createSeal([two]))
  t.match(await recreated.read(ANA), { secret: 'r', access })
  t.equal(await recreated.reseal(ANA), 0)
  await t.rejects(vault.read(ANA), { message: /MAILBOXES_KEY does not hold v2/ })
})

t.test('a grant replaced during resealing stays replaced', async t => {
  await vault.put(ANA, { secret: 'old' })
  const slow = createSeal([two, one])
  const both = createVault(redis, keys, {
    ...slow,
    open: (sealed, place) => {
      // Another process connects the mailbox at this moment.
      void vault.put(ANA, { secret: 'new' })
      return slow.open(sealed, place)
    },
  })
  t.equal(await both.reseal(ANA), 0)
  t.match(await vault.read(ANA), { secret: 'new' })
})

t.test("Outlook's grants are stored alike, in their own field", async t => {
  const outlook: MailboxId = 'outlook:ana@example.com'
  await vault.put(outlook, { secret: 'plain-cache', access })
  t.match(await vault.read(outlook), { secret: 'plain-cache', access })
  t.notMatch(JSON.stringify(await redis.hgetall(keys.secret(outlook))), /plain/)
  t.ok((await vault.has([outlook, BO])).has(outlook))
  const { id = '' } = (await vault.read(outlook)) ?? {}
  t.equal(await vault.refreshed(outlook, id, { access, secret: 'plain-next' }), true)
  t.equal(await vault.refreshed(outlook, id, { access, secret: 'plain-late' }), false)
  t.equal((await vault.read(outlook))?.secret, 'plain-next')
  t.equal(await createVault(redis, keys, createSeal([two, one])).reseal(outlook), 2)
  t.match(await createVault(redis, keys, createSeal([two])).read(outlook), { secret: 'plain-next', access })
  await vault.put(ANA, { secret: 'of ana' })
  await vault.put(outlook, { secret: 'of outlook' })
  await redis.hset(keys.secret(outlook), 'msal', (await redis.hget(keys.secret(ANA), 'refresh')) ?? '')
  await t.rejects(vault.read(outlook), { message: /the account of outlook:ana@example.com does not open/ })
})

const GOOGLE = { name: 'https://accounts.google.com', isSimulator: false }
const SIMULATOR = { name: 'http://127.0.0.1:8025', isSimulator: true }
const OTHER = { name: 'http://127.0.0.1:8026', isSimulator: true }
const at = (issuer: Issuer, sealing = [one]) => createVault(redis, keys, createSeal(sealing), undefined, () => issuer)

for (const mailbox of ['gmail:cy@example.com', 'outlook:cy@example.com'] as const) {
  t.test(`a grant is sent to its issuer only: ${mailbox}`, async t => {
    for (const issuer of [GOOGLE, SIMULATOR]) {
      await at(issuer).put(mailbox, { secret: 'plain-refresh', access })
      t.match(await at(issuer).read(mailbox), { secret: 'plain-refresh', access, issuer: issuer.name })
      t.match(
        await vault.read(mailbox),
        { secret: 'plain-refresh', issuer: issuer.name },
        'by work that sends it nowhere',
      )
      for (const other of [GOOGLE, SIMULATOR, OTHER].filter(({ name }) => name !== issuer.name)) {
        const refused = { kind: 'misconfigured', message: new RegExp(`${mailbox} was connected at ${issuer.name}`) }
        await t.rejects(at(other).read(mailbox), refused)
        await redis.hset(keys.secret(mailbox), 'issuer', other.name)
        await t.rejects(
          at(other).read(mailbox),
          { message: /does not open with key v1/ },
          'the name alone is not enough',
        )
        await redis.hset(keys.secret(mailbox), 'issuer', issuer.name)
      }
      const id = (await at(issuer).read(mailbox))?.id ?? ''
      t.equal(await at(issuer).refreshed(mailbox, id, { access, secret: 'plain-next' }), true)
      t.match(await at(issuer).read(mailbox), { secret: 'plain-next', access, issuer: issuer.name })
      t.equal(await createVault(redis, keys, createSeal([two, one])).reseal(mailbox), 2, 'rekey needs no issuer')
      t.match(await at(issuer, [two]).read(mailbox), { secret: 'plain-next', access })
      await at(issuer, [two]).forget(mailbox, access.token)
      t.equal(await redis.hexists(keys.secret(mailbox), 'access'), 0)
    }
  })

  t.test(`an old grant belongs to its provider, never to a simulator: ${mailbox}`, async t => {
    await vault.put(mailbox, { secret: 'plain-refresh', access })
    t.equal(await redis.hexists(keys.secret(mailbox), 'issuer'), 0)
    await t.rejects(at(SIMULATOR).read(mailbox), {
      kind: 'misconfigured',
      message: /unset SIM_URL .*or connect the mailbox again/,
    })
    t.equal(await createVault(redis, keys, createSeal([two, one])).reseal(mailbox), 2)
    t.match(await at(GOOGLE, [two]).read(mailbox), { secret: 'plain-refresh', access })
    t.match(await at(GOOGLE, [two]).read(mailbox), { secret: 'plain-refresh', access, issuer: GOOGLE.name })
    t.equal(await redis.hget(keys.secret(mailbox), 'issuer'), GOOGLE.name, 'it was bound when it was read')
    await redis.hdel(keys.secret(mailbox), 'issuer')
    await t.rejects(at(GOOGLE, [two]).read(mailbox), { message: /does not open/ }, 'and cannot be unbound')
  })
}
