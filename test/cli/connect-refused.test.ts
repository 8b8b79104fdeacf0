import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { setUpAccounts } from '../support/accounts.ts'
import { startConnecting } from '../support/consent.ts'
import { inTurn, run } from '../support/processes.ts'
import { freePort } from '../support/redis.ts'

t.test('a refused Gmail consent is reported in one line and in the browser', async t => {
  const { oauth, redis, environment } = await setUpAccounts(t)
  const cases: [what: typeof oauth.consents, words: string[], says: RegExp][] = [
    [{ address: 'ana@example.com', denied: true }, [], /access was not granted \(access_denied\)/],
    [
      { address: 'ana@example.com', denied: true, error: 'admin_policy_enforced' },
      [],
      /\(admin_policy_enforced\); the administrator of the domain has to allow the app/,
    ],
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

t.test('a code that Google rejects is reported with its error', async t => {
  const { environment } = await setUpAccounts(t)
  const connecting = await startConnecting(environment)
  const back = new URL(connecting.url).searchParams
  const answer = await fetch(`${back.get('redirect_uri')}/?state=${back.get('state')}&code=made-up`)
  t.match(await answer.text(), /400 invalid_grant/)
  t.match(await connecting.exited, {
    code: 1,
    stderr: /exchanging the code for tokens: Google answered 400 invalid_grant/,
  })
})

t.test('connect ends at its timeout, and at once on Ctrl-C', async t => {
  const { environment } = await setUpAccounts(t)
  t.match(await run(['connect', 'gmail', '--timeout', '1'], environment), { code: 1, stderr: /nobody gave consent/ })
  const connecting = await startConnecting(environment)
  connecting.kill('SIGINT')
  t.match(await connecting.exited, { code: 1, stderr: /the mailbox was not connected: stopped/ })
})

t.test('configuration errors are reported before consent is requested', async t => {
  const { environment } = await setUpAccounts(t)
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
    [{ ...environment, REDIS_URL: `redis://127.0.0.1:${await freePort()}`, REDIS_WAIT: '0' }, [], /No Redis answers/],
  ]
  for (const [given, words, says] of cases) {
    const finished = await inTurn(['connect', 'gmail', ...words], given)
    t.match(finished, { code: 2, stdout: '', stderr: says })
    t.notMatch(finished.stderr, /hunter2|\n\s+at /)
  }
})
