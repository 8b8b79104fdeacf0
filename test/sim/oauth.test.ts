import { auth, gmail } from 'googleapis/build/src/apis/gmail/index.js'
import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, answerOf, askToken, connected, mailboxOf } from './client.ts'

const READONLY = 'https://www.googleapis.com/auth/gmail.readonly'
const METADATA = 'https://www.googleapis.com/auth/gmail.metadata'
const REDIRECT = 'http://127.0.0.1:9999/oauth'

type Test = Parameters<typeof connected>[0]

async function open(t: Test, options: Parameters<typeof connected>[2] = {}) {
  const opened = await connected(t, mailboxOf(2), { others: [memoryMailbox('bo@example.com', [])], ...options })
  const { url } = opened.sim
  const client = () =>
    new auth.OAuth2({
      clientId: 'mailsluice',
      clientSecret: 'any',
      redirectUri: REDIRECT,
      endpoints: {
        oauth2AuthBaseUrl: `${url}/o/oauth2/v2/auth`,
        oauth2TokenUrl: `${url}/token`,
        oauth2RevokeUrl: `${url}/revoke`,
      },
    })
  /** Requests the authorization page and returns its redirect. */
  const visit = async (page: string) => {
    const response = await fetch(page, { redirect: 'manual' })
    return {
      status: response.status,
      text: await response.text(),
      back: new URL(response.headers.get('location') ?? 'none:'),
    }
  }
  const exchange = (form: Record<string, string>) => post(`${url}/token`, form)
  const code = async (more: Record<string, string> = {}) => {
    const asked = {
      client_id: 'a',
      redirect_uri: REDIRECT,
      response_type: 'code',
      scope: READONLY,
      approve: ADDRESS,
      ...more,
    }
    return (await visit(`${url}/o/oauth2/v2/auth?${new URLSearchParams(asked)}`)).back.searchParams.get('code') ?? ''
  }
  return { ...opened, client, visit, exchange, code }
}

async function post(url: string, form: Record<string, string>) {
  return answerOf(await fetch(url, { method: 'POST', body: new URLSearchParams(form) }))
}

t.test('Google’s own client connects a mailbox with PKCE, and reads it', async t => {
  const { sim, client, visit } = await open(t)
  const oauth = client()
  const { codeVerifier, codeChallenge } = await oauth.generateCodeVerifierAsync()
  const page = oauth.generateAuthUrl({
    access_type: 'offline',
    prompt: 'consent',
    scope: [READONLY],
    state: 'a state',
    login_hint: ADDRESS,
    code_challenge_method: 'S256' as never,
    ...(codeChallenge === undefined ? {} : { code_challenge: codeChallenge }),
  })
  const shown = await visit(page)
  t.match(shown, { status: 200, text: /name="approve" value="ana@example.com"/ })
  t.notMatch(shown.text, /bo@example.com/, 'a hint leaves one button')
  const { status, back } = await visit(`${page}&approve=${ADDRESS}`)
  t.equal(status, 302)
  t.equal(back.origin + back.pathname, REDIRECT)
  t.equal(back.searchParams.get('state'), 'a state')
  const { tokens } = await oauth.getToken({ code: back.searchParams.get('code') ?? '', codeVerifier })
  t.match(tokens, { access_token: String, refresh_token: String, scope: READONLY, token_type: 'Bearer' })
  oauth.setCredentials(tokens)
  const { users } = gmail({ version: 'v1', auth: oauth, rootUrl: `${sim.url}/` })
  t.equal((await users.getProfile({ userId: 'me' })).data.emailAddress, ADDRESS)
  const { messages = [] } = (await users.messages.list({ userId: 'me' })).data
  await t.rejects(users.messages.trash({ userId: 'me', id: messages[0]?.id ?? '' }), {
    status: 403,
    message: 'Request had insufficient authentication scopes.',
  })
  await oauth.revokeToken(tokens.refresh_token ?? '')
  const again = client()
  again.setCredentials({ refresh_token: tokens.refresh_token ?? '' })
  await t.rejects(again.getAccessToken(), { message: 'invalid_grant', status: 400 })
})

t.test('consent is automatic by setting or by parameter, and can be denied', async t => {
  const { sim, client, visit } = await open(t)
  const page = client().generateAuthUrl({ scope: [READONLY], state: 's' })
  t.ok((await visit(`${page}&auto`)).back.searchParams.get('code'))
  t.equal((await visit(page)).status, 200)
  sim.consent.auto = true
  t.ok((await visit(page)).back.searchParams.get('code'))
  const denied = (await visit(`${page}&deny=yes`)).back.searchParams
  t.equal(denied.get('error'), 'access_denied')
  t.equal(denied.get('state'), 's')
})

t.test('an untrusted request is never redirected', async t => {
  const { sim, visit } = await open(t)
  const good = { client_id: 'a', redirect_uri: REDIRECT, response_type: 'code', scope: READONLY }
  const wrong = [
    { ...good, client_id: '' },
    { ...good, response_type: 'token' },
    { ...good, redirect_uri: 'http://elsewhere.example.com/' },
    { ...good, redirect_uri: 'nowhere' },
    { ...good, scope: '' },
    { ...good, code_challenge: 'x', code_challenge_method: 'plain' },
  ]
  for (const asked of wrong) {
    const { status, text, back } = await visit(`${sim.url}/o/oauth2/v2/auth?auto&${new URLSearchParams(asked)}`)
    t.match({ status, text }, { status: 400, text: /Error 400/ })
    t.equal(back.protocol, 'none:')
  }
  const script = { ...good, client_id: '<script>alert(1)</script>' }
  t.notMatch((await visit(`${sim.url}/o/oauth2/v2/auth?${new URLSearchParams(script)}`)).text, /<script>/)
})

t.test('a code works once within ten minutes, for its client, address and verifier', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { exchange, code } = await open(t, { now: () => nowMs })
  // The pair of RFC 7636, appendix B.
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  const challenge = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' }
  const good = { grant_type: 'authorization_code', client_id: 'a', redirect_uri: REDIRECT, code_verifier: verifier }
  const once = await code(challenge)
  t.equal((await exchange({ ...good, code: once })).status, 200)
  t.match(await exchange({ ...good, code: once }), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await exchange({ ...good, code: await code(challenge), code_verifier: 'wrong' }), {
    body: { error: 'invalid_grant' },
  })
  const { code_verifier: _, ...without } = good
  t.match(await exchange({ ...without, code: await code(challenge) }), {
    body: { error_description: 'Missing code verifier.' },
  })
  t.match(await exchange({ ...good, code: await code(challenge), client_id: 'b' }), {
    status: 401,
    body: { error: 'invalid_client' },
  })
  t.match(await exchange({ ...good, code: await code(challenge), redirect_uri: `${REDIRECT}/x` }), {
    body: { error: 'redirect_uri_mismatch' },
  })
  const old = await code(challenge)
  nowMs += 600_000
  t.match(await exchange({ ...good, code: old }), { body: { error: 'invalid_grant' } })
  t.match(await exchange({ grant_type: 'password' }), { status: 400, body: { error: 'unsupported_grant_type' } })
})

t.test('offline access yields a refresh token on first and repeated consent', async t => {
  const { exchange, code } = await open(t)
  const grant = async (more: Record<string, string>) => {
    const form = { grant_type: 'authorization_code', client_id: 'a', redirect_uri: REDIRECT, code: await code(more) }
    return 'refresh_token' in (await exchange(form)).body
  }
  t.equal(await grant({ access_type: 'online' }), false)
  t.equal(await grant({ access_type: 'offline' }), false, 'consent was given before')
  t.equal(await grant({ access_type: 'offline', prompt: 'consent' }), true)
})

t.test('an identity comes with openid, signed', async t => {
  const { sim, exchange, code } = await open(t)
  const granted = await exchange({
    grant_type: 'authorization_code',
    client_id: 'a',
    redirect_uri: REDIRECT,
    code: await code({ scope: `openid ${READONLY}` }),
  })
  const { id_token: idToken = '' } = granted.body as { id_token?: string }
  const client = new auth.OAuth2({ endpoints: { oauth2FederatedSignonPemCertsUrl: `${sim.url}/oauth2/v1/certs` } })
  const ticket = await client.verifyIdToken({ idToken, audience: 'a' })
  t.match(ticket.getPayload(), { email: ADDRESS, email_verified: true })
})

t.test('grants are revoked and restored from the control port', async t => {
  const { sim, get, exchange, code } = await open(t)
  const control = (path: string) => fetch(`${sim.url}/control/mailboxes/${ADDRESS}/${path}`, { method: 'POST' })
  const granted = async () => {
    const form = { grant_type: 'authorization_code', client_id: 'a', redirect_uri: REDIRECT }
    const { body } = await exchange({ ...form, code: await code({ access_type: 'offline', prompt: 'consent' }) })
    return (body as { refresh_token?: string }).refresh_token ?? ''
  }
  const before = await granted()
  t.equal((await control('revoke')).status, 200)
  t.equal((await get('profile')).status, 401)
  for (const token of [before, `simulated:${ADDRESS}`])
    t.match(await askToken(sim, token), { status: 400, body: { error: 'invalid_grant' } })
  t.equal((await askToken(sim, 'simulated:bo@example.com')).status, 200)
  t.equal((await askToken(sim, await granted())).status, 200, 'connected again')
  await control('restore')
  t.equal((await askToken(sim, `simulated:${ADDRESS}`)).status, 200)
  t.equal((await control('forget')).status, 404)
})

t.test('access tokens expire on command, and later ones have the set lifetime', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, get } = await open(t, { now: () => nowMs })
  t.equal((await get('profile')).status, 200)
  await fetch(`${sim.url}/control/oauth/expire-tokens`, { method: 'POST' })
  t.match(await get('profile'), { status: 401, body: { error: { errors: [{ reason: 'authError' }] } } })
  const set = await fetch(`${sim.url}/control/oauth`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"accessTokenSeconds":5,"auto":true}',
  })
  t.same(await set.json(), { auto: true, accessTokenSeconds: 5 })
  const { body } = await askToken(sim, `simulated:${ADDRESS}`)
  t.match(body, { expires_in: 5 })
  const profile = () =>
    fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers: { authorization: `Bearer ${body.access_token}` } })
  t.equal((await profile()).status, 200)
  nowMs += 5000
  t.equal((await profile()).status, 401)
})

t.test('a token may narrow its grant, and metadata restricts it as at Google', async t => {
  const { sim } = await open(t)
  const form = { grant_type: 'refresh_token', refresh_token: `simulated:${ADDRESS}`, scope: `${METADATA} ${READONLY}` }
  const { body } = await post(`${sim.url}/token`, form)
  const get = async (path: string) =>
    answerOf(
      await fetch(`${sim.url}/gmail/v1/users/me/${path}`, {
        headers: { authorization: `Bearer ${body.access_token}` },
      }),
    )
  const { id } = (await get('messages')).body.messages[0] ?? {}
  t.equal((await get(`messages/${id}?format=metadata`)).status, 200)
  const refusals: Record<string, RegExp> = {
    'messages?q=in:inbox': /^Metadata scope does not support 'q' parameter$/,
    'threads?q=in:inbox': /^Metadata scope does not support 'q' parameter$/,
    [`messages/${id}`]: /^Metadata scope doesn't allow format FULL$/,
    [`messages/${id}?format=raw`]: /^Metadata scope doesn't allow format RAW$/,
    [`threads/${id}?format=full`]: /^Metadata scope doesn't allow format FULL$/,
  }
  for (const [path, message] of Object.entries(refusals)) {
    t.match(await get(path), { status: 403, body: { error: { status: 'PERMISSION_DENIED', message } } }, path)
  }
})
