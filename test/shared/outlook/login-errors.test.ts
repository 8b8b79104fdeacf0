import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { asMailError } from '../../../shared/error.ts'
import { beginGrant, isDeadGrant, renewGrant } from '../../../shared/outlook/oauth.ts'
import { type Answering, refused } from '../../support/microsoft.ts'
import { setUp } from './consent.ts'

const refusals: [what: string, answering: Answering, kind: string, says: RegExp, waitMs?: number][] = [
  [
    'a dead grant',
    refused('invalid_grant', 700_082),
    'unauthorized',
    /400 invalid_grant AADSTS700082; connect the mailbox again$/,
  ],
  ['a new password', refused('invalid_grant', 50_173), 'unauthorized', /AADSTS50173; connect the mailbox again$/],
  ['another factor', refused('interaction_required', 50_076), 'unauthorized', /interaction_required AADSTS50076/],
  ['a wrong secret', refused('invalid_client', 7_000_215), 'misconfigured', /OUTLOOK_CLIENT_SECRET is wrong/],
  ['an old secret', refused('invalid_client', 7_000_222), 'misconfigured', /OUTLOOK_CLIENT_SECRET has expired/],
  ['no secret', refused('invalid_client', 7_000_218), 'misconfigured', /set OUTLOOK_CLIENT_SECRET/],
  ['a secret too many', refused('invalid_client', 700_025), 'misconfigured', /unset OUTLOOK_CLIENT_SECRET/],
  ['another app', refused('unauthorized_client', 700_016), 'misconfigured', /OUTLOOK_CLIENT_ID or OUTLOOK_TENANT/],
  ['another tenant', refused('invalid_request', 90_002), 'misconfigured', /correct OUTLOOK_TENANT/],
  [
    'missing consent of an administrator',
    refused('invalid_grant', 90_094),
    'misconfigured',
    /AADSTS90094; an administrator .*adminconsent\?client_id=ID/,
  ],
  [
    'consent that waits for an administrator',
    refused('consent_required', 90_095),
    'misconfigured',
    /AADSTS90095; an administrator/,
  ],
  ['a Conditional Access rule', refused('invalid_grant', 53_003), 'misconfigured', /Conditional Access/],
  ['an account that is not assigned', refused('invalid_grant', 50_105), 'misconfigured', /administrator to assign it/],
  ['an account of another tenant', refused('invalid_grant', 50_020), 'misconfigured', /correct OUTLOOK_TENANT/],
  ['any other client', refused('invalid_client', 1), 'misconfigured', /OUTLOOK_CLIENT_ID, OUTLOOK_CLIENT_SECRET/],
  ['any other refusal', refused('invalid_scope', 70_011), 'misconfigured', /400 invalid_scope AADSTS70011; correct/],
  ['too many requests', { status: 429, body: {}, headers: { 'retry-after': '7' } }, 'throttled', /answered 429$/, 7000],
  [
    'too many requests of one account',
    { ...refused('invalid_grant', 50_196), status: 429 },
    'throttled',
    /answered 429/,
  ],
  [
    'an outage',
    { status: 503, body: { error: 'temporarily_unavailable' }, headers: { 'retry-after': '2' } },
    'unavailable',
    /503/,
    2000,
  ],
  ['an outage that claims to be a dead grant', { ...refused('invalid_grant', 1), status: 500 }, 'unavailable', /500/],
  ['a page of a proxy', { status: 403, body: '<html>planted</html>' }, 'unavailable', /answered 403$/],
  ['a page with status 200', { status: 200, body: '<html>planted</html>' }, 'unavailable', /answered 200$/],
  ['nothing', { status: 200, body: 'null' }, 'unavailable', /answered 200$/],
  ['no token', { status: 200, body: { token_type: 'Bearer', expires_in: 3600 } }, 'unavailable', /contains no token$/],
  ['a cut connection', 'hangs up', 'unavailable', /no answer from Microsoft \(ECONNRESET\)$/],
  ['silence', 'never', 'unavailable', /no answer from Microsoft$/],
]

for (const [what, answering, kind, says, waitMs] of refusals) {
  t.test(`each error is reported once, by its kind and without secrets: ${what}`, async t => {
    const { app, microsoft } = await setUp(t)
    const { cache } = await beginGrant(app, 'simulated:bo@example.com', 'a test')
    microsoft.answering = answering
    const asked = microsoft.asked.length
    const error = await renewGrant({ ...app, timeoutMs: 300 }, cache, 'a test').then(() => undefined, asMailError)
    t.equal(error?.kind, kind, error?.message ?? 'nothing was thrown')
    t.match(error?.message, says)
    t.match(error?.message, /^a test, requesting a token: /)
    t.equal(error?.retryAfterMs, waitMs)
    t.equal(error && isDeadGrant(error), kind === 'unauthorized')
    t.equal(microsoft.asked.length, asked + 1)
    t.notMatch([error?.message, error?.stack, JSON.stringify(error?.cause)].join(), /planted/)
    microsoft.answering = 'grants'
    t.ok(await renewGrant(app, cache, 'a test').then(granted => granted.access.token), 'the next request succeeds')
  })
}

t.test('no secret is sent to the target of a redirect', async t => {
  const { app, microsoft } = await setUp(t)
  const { cache } = await beginGrant(app, 'simulated:bo@example.com', 'a test')
  let visits = 0
  const elsewhere = createServer((_, response) => {
    visits += 1
    response.end()
  }).listen(0, '127.0.0.1')
  await once(elsewhere, 'listening')
  t.teardown(() => elsewhere.close())
  const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`
  for (const status of [302, 307, 308]) {
    microsoft.answering = { status, body: '', headers: { location } }
    await t.rejects(renewGrant(app, cache, 'a test'), { message: new RegExp(`Microsoft answered ${status}$`) })
  }
  t.equal(visits, 0)
})
