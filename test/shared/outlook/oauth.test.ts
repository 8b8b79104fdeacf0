import t from 'tap'
import { asMailError } from '../../../shared/error.ts'
import {
  applicationToken,
  askConsent,
  beginGrant,
  canReadMail,
  exchangeCode,
  lasts,
  renewGrant,
} from '../../../shared/outlook/oauth.ts'
import { applicationTokens, ownTokens } from '../../../shared/outlook/tokens.ts'
import { until } from '../../support/until.ts'
import { codeFrom, consented, redirectUri, setUp } from './consent.ts'

const { signal } = new AbortController()

t.test('consent requests read access only, with PKCE and a login hint', async t => {
  const { app } = await setUp(t)
  const { url, verifier } = await askConsent(app, { redirectUri, state: 'state' })
  t.ok(url.startsWith(`${app.loginUrl}/common/oauth2/v2.0/authorize?`), url)
  const asked = Object.fromEntries(new URL(url).searchParams)
  t.match(asked, {
    client_id: 'client',
    response_type: 'code',
    response_mode: 'query',
    redirect_uri: redirectUri,
    state: 'state',
    prompt: 'select_account',
    code_challenge_method: 'S256',
    code_challenge: /^[\w-]{43}$/,
  })
  t.same(
    new Set(asked.scope?.split(' ')),
    new Set([
      'https://graph.microsoft.com/Mail.Read',
      'https://graph.microsoft.com/User.Read',
      'openid',
      'profile',
      'offline_access',
    ]),
  )
  t.notMatch(url, verifier)
  const named = new URL((await askConsent(app, { redirectUri, state: 'state', address: 'bo@example.com' })).url)
  t.equal(named.searchParams.get('login_hint'), 'bo@example.com')
  const atMicrosoft = await askConsent(
    { ...app, tenant: 'contoso.com', loginUrl: 'https://login.microsoftonline.com' },
    { redirectUri, state: 's' },
  )
  t.match(atMicrosoft.url, /^https:\/\/login\.microsoftonline\.com\/contoso\.com\/oauth2\/v2\.0\/authorize\?/)
})

t.test('a code needs its verifier, and each refresh replaces the refresh token', async t => {
  const { app, microsoft } = await setUp(t)
  const granted = await consented(app)
  t.ok(canReadMail(granted) && lasts(granted))
  t.equal(granted.access.token, microsoft.accessTokens[0])
  t.ok(Math.abs(granted.access.endsAt - granted.access.givenAt - 3_600_000) < 5000)
  let { cache } = granted
  for (let round = 1; round <= 3; round += 1) {
    const renewed = await renewGrant(app, cache, 'a test')
    t.equal(renewed.access.token, microsoft.accessTokens[round])
    t.ok(renewed.cache.includes(microsoft.refreshTokens[round] ?? 'none'))
    t.notOk(renewed.cache.includes(microsoft.refreshTokens[round - 1] ?? ''), 'the old token is dropped')
    cache = renewed.cache
  }
  t.equal(microsoft.asked.length, 4, 'only tokens are requested')
  await t.rejects(renewGrant(app, granted.cache, 'a test'), { message: /invalid_grant AADSTS700082; connect/ })

  const { url } = await askConsent(app, { redirectUri, state: 's' })
  const code = await codeFrom(url)
  const wrong = exchangeCode(app, { code, verifier: 'x'.repeat(43), redirectUri })
  await t.rejects(wrong, { message: /exchanging the code for tokens: Microsoft answered 400 invalid_grant/ })
})

t.test('an aborted exchange ends at once', async t => {
  const { app, microsoft } = await setUp(t)
  const { url, verifier } = await askConsent(app, { redirectUri, state: 's' })
  microsoft.answering = 'never'
  const given = new AbortController()
  const asked = exchangeCode(app, { code: await codeFrom(url), verifier, redirectUri }, given.signal)
  asked.catch(() => undefined)
  await until(() => microsoft.asked.length === 1, 'it asks')
  given.abort()
  await t.rejects(asked, { message: /no answer from Microsoft/ })
})

t.test('missing permission to read, or to read for long, is detected', async t => {
  const { app, microsoft } = await setUp(t)
  microsoft.consents = { address: 'bo@example.com', scope: 'Mail.ReadBasic User.Read openid' }
  t.notOk(canReadMail(await consented(app)))
  microsoft.consents = { address: 'bo@example.com', scope: 'https://graph.microsoft.com/Mail.Read' }
  t.ok(canReadMail(await consented(app)), 'personal accounts name the scope in full')
  microsoft.consents = { address: 'bo@example.com', withoutRefreshToken: true }
  t.notOk(lasts(await consented(app)))
})

t.test('the grants of two mailboxes never share a cache', async t => {
  const { app, microsoft } = await setUp(t)
  const [ana, bo] = await Promise.all(
    ['ana', 'bo'].map(name => beginGrant(app, `simulated:${name}@example.com`, 'a test')),
  )
  const [recreated, bonew] = await Promise.all(
    [ana, bo].map(granted => renewGrant(app, granted?.cache ?? '', 'a test')),
  )
  t.equal(microsoft.ownerOf(recreated?.access.token ?? ''), 'ana@example.com')
  t.equal(microsoft.ownerOf(bonew?.access.token ?? ''), 'bo@example.com')
  t.ok(recreated?.cache.includes('ana@example.com') && !recreated.cache.includes('bo@example.com'))
  t.ok(bonew?.cache.includes('bo@example.com') && !bonew.cache.includes('ana@example.com'))
})

t.test('an account without a refresh token must reconnect, without a request', async t => {
  const { app, microsoft } = await setUp(t)
  const { cache } = await beginGrant(app, 'simulated:bo@example.com', 'a test')
  const asked = microsoft.asked.length
  const without = JSON.stringify({ ...JSON.parse(cache), RefreshToken: {} })
  for (const held of [without, JSON.stringify({ ...JSON.parse(cache), Account: {} })]) {
    const error = await renewGrant(app, held, 'a test').then(() => undefined, asMailError)
    t.match(error, { kind: 'unauthorized', message: /connect the mailbox again$/ })
  }
  t.equal(microsoft.asked.length, asked)
})

t.test('an app gets one token for all its mailboxes, and renews it', async t => {
  const { app, microsoft } = await setUp(t)
  microsoft.clientSecret = 'planted-secret'
  let now = Date.now()
  const tokens = applicationTokens({ ...app, tenant: 'contoso.com', clientSecret: 'planted-secret' }, () => now)
  const got = await Promise.all(Array.from({ length: 5 }, () => tokens.get('a test', signal)))
  t.same(new Set(got), new Set([microsoft.accessTokens[0]]))
  t.equal(microsoft.ownerOf(got[0] ?? ''), 'application')
  t.match(microsoft.asked, [
    {
      path: '/contoso.com/oauth2/v2.0/token',
      form: { grant_type: 'client_credentials', scope: 'https://graph.microsoft.com/.default' },
    },
  ])
  now += 3_600_000
  t.not(await tokens.get('a test', signal), got[0])
  t.equal(microsoft.asked.length, 2)
  const wrong = applicationToken({ ...app, tenant: 'contoso.com', clientSecret: 'planted-other' }, 'a test')
  const error = await wrong.then(() => undefined, asMailError)
  t.match(error, { kind: 'misconfigured', message: /401 invalid_client AADSTS7000215; OUTLOOK_CLIENT_SECRET is wrong/ })
  t.notMatch(error?.message, /planted/)
})

t.test('tokens of one process continue with the replaced refresh token', async t => {
  const { app, microsoft } = await setUp(t)
  let now = Date.now()
  const tokens = ownTokens(app, 'simulated:bo@example.com', () => now)
  await tokens.get('a test', signal)
  now += 3_600_000
  t.equal(await tokens.get('a test', signal), microsoft.accessTokens[1])
  t.same(
    microsoft.asked.map(({ form }) => form.refresh_token),
    ['simulated:bo@example.com', microsoft.refreshTokens[0]],
  )
  microsoft.revoke('bo@example.com')
  now += 3_600_000
  await t.rejects(tokens.get('a test', signal), { message: /invalid_grant/ })
  t.equal(await tokens.get('a test', signal), microsoft.accessTokens[2], 'the first token is tried again')
})
