import t from 'tap'
import { openMailSource } from '../../pipeline/accounts/mail-source.ts'
import { readConfig } from '../../shared/config.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal, parseSealingKeys } from '../../shared/seal.ts'
import { ANA, BO, keys, setUpAccounts } from '../support/accounts.ts'
import { connect, startConnecting } from '../support/consent.ts'
import { inTurn, lastJson } from '../support/processes.ts'

t.test('consent in the browser connects, seals and syncs the mailbox', async t => {
  const { oauth, environment } = await setUpAccounts(t)
  const connecting = await startConnecting(environment, ['--address', 'Ana@example.com'])
  const params = new URL(connecting.url).searchParams
  t.match(Object.fromEntries(params), {
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
  t.match(lastJson(await inTurn(['mailboxes', '--json'], environment)), {
    mailboxes: [{ mailbox: ANA, account: 'connected', synced: false }],
  })
  const synced = lastJson(await inTurn(['up', '--once', '--json'], environment))
  t.match(synced, { ok: true, mailboxes: 2, messages: 60, tasks: 12 })
  t.equal(oauth.refreshes, 1, 'the token that came with consent was used, and one got for the other mailbox')
  t.match((await inTurn(['mailboxes'], environment)).stdout, /gmail:ana@example\.com .* connected .* in sync/)
})

t.test('an answer with a wrong state is refused; the right one still works', async t => {
  const { environment } = await setUpAccounts(t)
  const connecting = await startConnecting(environment)
  const back = new URL(new URL(connecting.url).searchParams.get('redirect_uri') ?? '')
  for (const query of ['', '?code=x', '?code=x&state=', '?code=x&state=wrong', '?error=access_denied&state=wrong']) {
    const answer = await fetch(`${back.href}${query}`)
    t.equal(answer.status, 400, query)
    t.match(await answer.text(), /mailsluice is not waiting for this answer/)
  }
  t.equal((await fetch(`${back.href}favicon.ico`)).status, 404)
  t.equal((await connecting.consent()).finished.code, 0)
})

t.test('two mailboxes can be connected in sequence', async t => {
  const { oauth, redis, environment } = await setUpAccounts(t)
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
  t.same(offered.sort(), [ANA, BO])
})

t.test('connecting again replaces the grant', async t => {
  const { oauth, redis, environment } = await setUpAccounts(t)
  const seal = createSeal(parseSealingKeys(environment.MAILBOXES_KEY ?? '') ?? [])
  const vault = createVault(redis.client, keys, seal)
  await connect(environment)
  t.equal((await vault.read(ANA))?.secret, oauth.refreshTokens[0])
  t.match(lastJson(await connect(environment)), { mailbox: ANA, new: false })
  t.equal((await vault.read(ANA))?.secret, oauth.refreshTokens[1])
})
