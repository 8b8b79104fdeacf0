import {
  ConfidentialClientApplication,
  CryptoProvider,
  type INetworkModule,
  InteractionRequiredAuthError,
  type NetworkRequestOptions,
  PublicClientApplication,
} from '@azure/msal-node'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import t from 'tap'
import type { GraphSimulator } from '../../sim/graph/simulator.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, mailboxOf } from './client.ts'
import { askGraphToken, askingWith, graphConnected } from './graph-client.ts'

const MICROSOFT = 'https://login.microsoftonline.com'
const REDIRECT = 'http://localhost:4711/back'
const OTHER = 'bo@example.org'

/** Redirects msal's requests for Microsoft's servers to the simulator. */
function networkTo(sim: GraphSimulator): INetworkModule {
  const ask = async <Body>(method: string, url: string, { headers, body }: NetworkRequestOptions = {}) => {
    const response = await fetch(url.replace(MICROSOFT, sim.url), {
      method,
      ...(headers ? { headers } : {}),
      ...(method === 'POST' ? { body: body ?? '' } : {}),
    })
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: (await response.json()) as Body,
    }
  }
  return {
    sendGetRequestAsync: (url, options) => ask('GET', url, options),
    sendPostRequestAsync: (url, options) => ask('POST', url, options),
  }
}

function confidential(sim: GraphSimulator, tenant = 'common', clientSecret = 'secret') {
  return new ConfidentialClientApplication({
    auth: { clientId: 'mailsluice', clientSecret, authority: `${MICROSOFT}/${tenant}` },
    system: { networkClient: networkTo(sim) },
  })
}

/** Opens an authorization page by its Microsoft address and returns where it leads. */
async function open(sim: GraphSimulator, url: string, answer: string) {
  const response = await fetch(`${url.replace(MICROSOFT, sim.url)}&${answer}`, { redirect: 'manual' })
  const location = response.headers.get('location') ?? 'http://localhost/'
  return { status: response.status, text: await response.text(), query: new URL(location).searchParams }
}

t.test('msal completes consent, refreshes silently, and finds the mailbox in the account', async t => {
  const { sim } = await graphConnected(t, [mailboxOf(1), memoryMailbox(OTHER, [])])
  const client = new PublicClientApplication({
    auth: { clientId: 'mailsluice', authority: `${MICROSOFT}/common` },
    system: { networkClient: networkTo(sim) },
  })
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes()
  const scopes = ['https://graph.microsoft.com/Mail.ReadBasic']
  const asking = { scopes, redirectUri: REDIRECT, codeChallenge: challenge, codeChallengeMethod: 'S256', state: 'abc' }
  const url = await client.getAuthCodeUrl(asking)
  const page = await open(sim, url, 'x=1')
  t.match(page.text, `Allow for ${OTHER}`)
  t.match(page.text, 'action="/common/oauth2/v2.0/authorize"')
  t.equal((await open(sim, url, 'deny=yes')).query.get('error'), 'access_denied')

  const { query } = await open(sim, url, `approve=${OTHER}`)
  t.equal(query.get('state'), 'abc')
  const code = query.get('code') ?? ''
  const result = await client.acquireTokenByCode({ code, scopes, redirectUri: REDIRECT, codeVerifier: verifier })
  t.equal(result.account?.username, OTHER)
  t.equal((await askingWith(sim, result.accessToken)('me')).body.mail, OTHER)
  if (!result.account) return
  const cached = await client.acquireTokenSilent({ account: result.account, scopes })
  t.equal(cached.accessToken, result.accessToken)
  t.equal(sim.calls().token, 2)

  const forced = await client.acquireTokenSilent({ account: result.account, scopes, forceRefresh: true })
  t.notOk(forced.fromCache)
  t.equal(sim.calls().token, 3)
  sim.tokens.revoke(OTHER)
  const dead = client.acquireTokenSilent({ account: result.account, scopes, forceRefresh: true })
  await t.rejects(dead, { message: /AADSTS50173/ })
  await t.rejects(
    client.acquireTokenByCode({ code, scopes, redirectUri: REDIRECT, codeVerifier: verifier }),
    { message: /AADSTS54005/ },
    'a code is redeemed once',
  )
})

t.test('msal accepts simulated:<address> as a refresh token, and reports a dead grant', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  const client = confidential(sim)
  const ask = (refreshToken: string) =>
    client.acquireTokenByRefreshToken({ refreshToken, scopes: ['Mail.Read'], forceCache: true })
  const result = await ask(`simulated:${ADDRESS}`)
  t.equal(result?.account?.username, ADDRESS)
  t.same(result?.scopes, ['Mail.Read', 'openid', 'profile'])
  const kept = JSON.parse(client.getTokenCache().serialize()).RefreshToken as Record<string, { secret: string }>
  const [rotated] = Object.values(kept).map(({ secret }) => secret)
  t.equal((await askGraphToken(sim, { grant_type: 'refresh_token', refresh_token: rotated ?? '' })).status, 200)
  sim.tokens.lapse(ADDRESS)
  const lapsed = await ask(`simulated:${ADDRESS}`).catch((error: unknown) => error)
  t.ok(lapsed instanceof InteractionRequiredAuthError || /AADSTS700082/.test(String(lapsed)))
  t.match(lapsed, { errorCode: 'invalid_grant', message: /AADSTS700082/ })
  sim.tokens.restore(ADDRESS)
  t.ok(await ask(`simulated:${ADDRESS}`))
})

t.test('msal gets an application token for a tenant, but not with a wrong secret', async t => {
  const { sim } = await graphConnected(t, [mailboxOf(2), memoryMailbox(OTHER, [])])
  const ask = (tenant: string, secret?: string) =>
    confidential(sim, tenant, secret).acquireTokenByClientCredential({
      scopes: ['https://graph.microsoft.com/.default'],
    })
  const result = await ask('example.com')
  const app = askingWith(sim, result?.accessToken ?? '')
  t.equal((await app(`users/${ADDRESS}/messages`)).body.value.length, 2)
  sim.consent.clientSecret = 'right'
  await t.rejects(ask('example.com', 'wrong'), { message: /AADSTS7000215/ })
  t.ok(await ask('example.com', 'right'))
  const form = {
    grant_type: 'client_credentials',
    client_secret: 'right',
    scope: 'https://graph.microsoft.com/.default',
  }
  t.match((await askGraphToken(sim, form, 'organizations')).body, { error_codes: [50059] })
})

t.test('refresh tokens rotate, and can be single-use', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  const refresh = (token: string, scope = 'offline_access Mail.Read') =>
    askGraphToken(sim, { grant_type: 'refresh_token', refresh_token: token, scope })
  const first = (await refresh(`simulated:${ADDRESS}`)).body.refresh_token
  const second = (await refresh(first)).body.refresh_token
  t.not(first, second)
  t.equal((await refresh(first)).status, 200, 'Microsoft still accepts the previous one')
  sim.tokens.setSingleUse(true)
  t.match((await refresh(first)).body, { error: 'invalid_grant', error_codes: [70000] })
  t.equal((await refresh(second)).status, 200)
  t.match((await refresh('made-up')).body, { error: 'invalid_grant', error_codes: [9002313] })
  const third = (await refresh(`simulated:${ADDRESS}`)).body.refresh_token
  t.equal((await refresh(third, 'Calendars.Read')).status, 400, 'a token never exceeds its grant')
  const none = (await refresh(`simulated:${ADDRESS}`, 'Mail.Read')).body
  t.notOk('refresh_token' in none, 'offline access must be requested')
})

t.test('a code needs its verifier, program and address', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes()
  const query = new URLSearchParams({
    client_id: 'mailsluice',
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid offline_access Mail.Read',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    nonce: 'once',
  })
  const newCode = async () =>
    (await open(sim, `${sim.url}/common/oauth2/v2.0/authorize?${query}`, `approve=${ADDRESS}`)).query.get('code') ?? ''
  const redeem = async (changes: Record<string, string>) => {
    const right = { client_id: 'mailsluice', redirect_uri: REDIRECT, code_verifier: verifier, code: await newCode() }
    return askGraphToken(sim, { grant_type: 'authorization_code', ...right, ...changes })
  }
  t.match((await redeem({ code_verifier: 'wrong' })).body, { error_codes: [501481] })
  t.match((await redeem({ client_id: 'another' })).body, { error_codes: [700005] })
  t.match((await redeem({ redirect_uri: 'http://localhost/other' })).body, { error_codes: [500112] })
  t.match((await redeem({ code: 'made-up' })).body, { error_codes: [70008] })
  const { body } = await redeem({})
  const keys = (await (await fetch(`${sim.url}/common/discovery/v2.0/keys`)).json()) as JSONWebKeySet
  const { payload } = await jwtVerify(String(body.id_token), createLocalJWKSet(keys), { audience: 'mailsluice' })
  t.match(payload, { preferred_username: ADDRESS, nonce: 'once', ver: '2.0' })
  const posted = await open(sim, `${sim.url}/common/oauth2/v2.0/authorize?${query}&response_mode=form_post`, 'auto=1')
  t.match(posted.text, /<form method="post" action="http:\/\/localhost:4711\/back">.*name="code"/)
  const away = await open(
    sim,
    `${sim.url}/common/oauth2/v2.0/authorize?${query}`.replace('localhost', 'elsewhere.example'),
    '',
  )
  t.equal(away.status, 400)
})

t.test('Mail.ReadBasic reads no bodies; without a mail permission nothing is readable', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  const withScope = async (scope: string) => {
    const form = { grant_type: 'refresh_token', refresh_token: `simulated:${ADDRESS}`, scope }
    return askingWith(sim, (await askGraphToken(sim, form)).body.access_token)
  }
  const [message] = (await (await withScope('Mail.ReadBasic'))('me/messages?$select=subject,bodyPreview,body')).body
    .value
  t.same(Object.keys(message ?? {}), ['@odata.etag', 'id', 'subject'])
  t.equal((await (await withScope('User.Read'))('me/messages')).body.error.code, 'ErrorAccessDenied')
})

t.test('the platform publishes Microsoft’s addresses', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  const get = async (path: string) => (await fetch(`${sim.url}${path}`)).json()
  t.match(await get('/organizations/v2.0/.well-known/openid-configuration'), {
    token_endpoint: `${MICROSOFT}/organizations/oauth2/v2.0/token`,
    issuer: `${MICROSOFT}/{tenantid}/v2.0`,
  })
  t.match(await get('/common/discovery/instance?api-version=1.1'), {
    metadata: [{ preferred_network: 'login.microsoftonline.com' }],
  })
})
