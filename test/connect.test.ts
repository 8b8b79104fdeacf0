import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { openMailSource } from '../pipeline/mail-source.ts'
import { readConfig } from '../shared/config.ts'
import { createKeys } from '../shared/redis/keys.ts'
import { createVault } from '../shared/redis/secrets.ts'
import { createSeal, parseSealingKeys } from '../shared/seal.ts'
import { startGmail } from '../sim/gmail.ts'
import { connect, sealingKey, startConnecting } from './support/consent.ts'
import { testMailbox } from './support/mail.ts'
import { startOAuth } from './support/oauth.ts'
import { lastJson, run } from './support/processes.ts'
import { freePort, startRedis } from './support/redis.ts'

const ANA = 'gmail:ana@example.com'
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())
const keys = createKeys('mailsluice', 8)

t.test('an owner consents in the browser, and the mailbox is connected, sealed, and synced', async t => {
  const { oauth, environment } = await setUp(t)
  const connecting = await startConnecting(environment, ['--address', 'Ana@example.com'])
  const asked = new URL(connecting.url).searchParams
  t.match(Object.fromEntries(asked), {
    response_type: 'code',
    scope: 'https://www.googleapis.com/auth/gmail.readonly',
    access_type: 'offline',
    prompt: 'consent',
    code_challenge_method: 'S256',
    code_challenge: /^[\w-]{43}$/,
    state: /^[\w-]{32}$/,
    login_hint: 'Ana@example.com',
    redirect_uri: /^http:\/\/127\.0\.0\.1:\d+$/,
  })
  const { status, page, finished } = await connecting.consent()
  t.equal(status, 200)
  t.match(page, /gmail:ana@example\.com is connected/)
  t.equal(finished.code, 0, finished.stderr)
  t.match(lastJson(finished), { mailbox: ANA, new: true, entries: 0 })
  t.notMatch(finished.stdout + finished.stderr, /planted/, 'no code, no token')
  t.match(lastJson(await run(['mailboxes', '--json'], environment)), {
    mailboxes: [{ mailbox: ANA, account: 'connected', synced: false }],
  })
  t.equal(oauth.accessTokens.length, 1)
  const synced = lastJson(await run(['up', '--once', '--json'], environment))
  t.match(synced, { ok: true, mailboxes: 1, messages: 30, tasks: 6 })
  t.equal(oauth.accessTokens.length, 1, 'the token that came with consent was used')
  t.match((await run(['mailboxes'], environment)).stdout, /gmail:ana@example\.com .* connected .* in sync/)
})

t.test('an answer with a wrong state is refused, and the right one still counts', async t => {
  const { environment } = await setUp(t)
  const connecting = await startConnecting(environment)
  const back = new URL(new URL(connecting.url).searchParams.get('redirect_uri') ?? '')
  for (const query of ['', '?code=x', '?code=x&state=', '?code=x&state=wrong', '?error=access_denied&state=wrong']) {
    const answer = await fetch(`${back.href}${query}`)
    t.equal(answer.status, 400, query)
    t.match(await answer.text(), /no answer that mailsluice is waiting for/)
  }
  t.equal((await fetch(`${back.href}favicon.ico`)).status, 404)
  t.equal((await connecting.consent()).finished.code, 0)
})

t.test('whatever is in the way is told in one line, to the browser as well, and nothing is kept', async t => {
  const { oauth, environment } = await setUp(t)
  const cases: [what: typeof oauth.consents, words: string[], says: RegExp][] = [
    [{ address: 'ana@example.com', denied: true }, [], /access was not granted \(access_denied\)/],
    [{ address: 'ana@example.com', scope: 'openid' }, [], /reading mail was not allowed/],
    [{ address: 'ana@example.com', withoutRefreshToken: true }, [], /gave no refresh token/],
    [
      { address: 'ana@example.com' },
      ['--address', 'bo@example.com'],
      /access was granted to gmail:ana@example.com, not to gmail:bo@example.com/,
    ],
  ]
  for (const [consents, words, says] of cases) {
    oauth.consents = consents
    const { status, page, finished } = await (await startConnecting(environment, words)).consent()
    t.equal(status, 400)
    t.match(page, /Not connected/)
    t.ok(finished.code === 1 || finished.code === 2, `${finished.code}`)
    t.match(finished.stderr, says)
    t.equal(finished.stderr.trim().split('\n').length, 1, finished.stderr)
    t.notMatch(finished.stdout + finished.stderr + page, /planted/)
    t.same(await redis.client.keys('*gmail*'), [])
  }
})

t.test('a code that Google does not take is told as what it is', async t => {
  const { environment } = await setUp(t)
  const connecting = await startConnecting(environment)
  const back = new URL(connecting.url).searchParams
  const answer = await fetch(`${back.get('redirect_uri')}/?state=${back.get('state')}&code=made-up`)
  t.match(await answer.text(), /400 invalid_grant/)
  t.match(await connecting.exited, {
    code: 1,
    stderr: /exchanging the code for tokens: Google answered 400 invalid_grant/,
  })
})

t.test('nobody is waited for longer than was said, and Ctrl-C ends it at once', async t => {
  const { environment } = await setUp(t)
  t.match(await run(['connect', 'gmail', '--timeout', '1'], environment), { code: 1, stderr: /nobody gave consent/ })
  const connecting = await startConnecting(environment)
  connecting.kill('SIGINT')
  t.match(await connecting.exited, { code: 1, stderr: /the mailbox was not connected: stopped/ })
})

t.test('what is wrong here is found before a person is asked', async t => {
  const { environment } = await setUp(t)
  const { SIM_URL: _, GMAIL_CLIENT_ID: _id, ...withoutClient } = environment
  const { MAILBOXES_KEY: _key, ...withoutKey } = environment
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const takenPort = typeof address === 'object' ? `${address?.port}` : ''
  const cases: [environment: Record<string, string>, words: string[], says: RegExp][] = [
    [withoutKey, [], /MAILBOXES_KEY is not set: .*openssl rand -base64 32/],
    [{ ...environment, MAILBOXES_KEY: 'hunter2' }, [], /MAILBOXES_KEY: its value is not allowed; use 32 bytes/],
    [
      { ...withoutClient, DATA_DIR: '/tmp/none' },
      [],
      /no OAuth client is set: .* set GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET/,
    ],
    [environment, ['--address', 'ana'], /"gmail:ana" is not a mailbox/],
    [environment, ['--port', takenPort], /cannot listen on port \d+ \(EADDRINUSE\): choose another with --port/],
    [environment, ['--port', 'any'], /whole number from 0 to 65535/],
    [{ ...environment, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }, [], /No Redis answers/],
  ]
  for (const [given, words, says] of cases) {
    const finished = await run(['connect', 'gmail', ...words], given, 20_000)
    t.match(finished, { code: 2, stdout: '', stderr: says })
    t.notMatch(finished.stderr, /hunter2|\n\s+at /)
  }
})

t.test('two mailboxes are connected one after the other; sources of mail name both', async t => {
  const { oauth, environment } = await setUp(t, ['ana@example.com', 'bo@example.com'])
  t.equal((await connect(environment)).code, 0)
  oauth.consents = { address: 'bo@example.com' }
  t.equal((await connect(environment)).code, 0)
  const config = readConfig({
    GMAIL_CLIENT_ID: 'client',
    GMAIL_CLIENT_SECRET: 'secret',
    MAILBOXES_KEY: environment.MAILBOXES_KEY ?? '',
  })
  const source = await openMailSource(config, [])
  const offered = await source.list(new AbortController().signal, { redis: redis.client, keys })
  t.same(offered.sort(), [ANA, 'gmail:bo@example.com'])
})

t.test('a mailbox that is connected again gets the new grant', async t => {
  const { oauth, environment } = await setUp(t)
  const seal = createSeal(parseSealingKeys(environment.MAILBOXES_KEY ?? '') ?? [])
  const vault = createVault(redis.client, keys, seal)
  await connect(environment)
  t.equal((await vault.read(ANA))?.refreshToken, oauth.refreshTokens[0])
  t.match(lastJson(await connect(environment)), { mailbox: ANA, new: false })
  t.equal((await vault.read(ANA))?.refreshToken, oauth.refreshTokens[1])
})

async function setUp(t: Test, addresses = ['ana@example.com']) {
  const sim = await startGmail({ profile: 'instant', mailboxes: addresses.map(address => testMailbox(address, 30, 6)) })
  const oauth = await startOAuth({ simUrl: sim.url })
  t.teardown(async () => {
    await oauth.close()
    await sim.close()
  })
  const environment: Record<string, string> = {
    REDIS_URL: redis.url,
    SIM_URL: oauth.url,
    GMAIL_CLIENT_ID: 'client',
    GMAIL_CLIENT_SECRET: 'planted-secret',
    MAILBOXES_KEY: sealingKey(),
  }
  return { oauth, sim, environment }
}
