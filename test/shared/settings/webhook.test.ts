import t from 'tap'
import { faultOfWebhookSecret, faultOfWebhookUrl } from '../../../shared/settings/webhook.ts'

const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 'planted').toString('base64')}`

t.test('the address of a webhook is https without a user, a password and a fragment', async t => {
  for (const url of ['https://app.example.com/hook', 'https://app.example.com:8443/a?b=c', 'https://1.1.1.1/'])
    t.equal(faultOfWebhookUrl(url, { allowPrivate: false }), undefined, url)
  for (const [url, says] of [
    ['planted', /is no address; write it like https:/],
    ['', /is no address/],
    ['https://', /is no address/],
    ['ftp://planted.example.com/', /must begin with https:/],
    ['javascript:planted', /must begin with https:/],
    ['http://planted.example.com/', /must begin with https:.*WEBHOOK_ALLOW_PRIVATE=1/],
    ['https://planted@example.com/', /has a user name or a password; remove it/],
    ['https://:planted@example.com/', /has a user name or a password/],
    ['https://example.com/#planted', /has a fragment/],
    ['https://example.com/#', /has a fragment/],
    ['https://localhost./planted', /is this machine/],
  ] as const) {
    const fault = faultOfWebhookUrl(url, { allowPrivate: false })
    t.match(fault, says, url)
    t.notMatch(fault, /planted/, 'the address may hold a secret')
  }
})

t.test('plain http and this machine are for private receivers, nothing else is', async t => {
  for (const url of ['http://app.internal:8080/', 'http://127.0.0.1:1/', 'https://localhost/', 'http://localhost/'])
    t.equal(faultOfWebhookUrl(url, { allowPrivate: true }), undefined, url)
  for (const url of ['ftp://a.internal/', 'http://a:b@app.internal/', 'http://app.internal/#a', '127.0.0.1:80'])
    t.type(faultOfWebhookUrl(url, { allowPrivate: true }), 'string', url)
})

t.test('a secret of a webhook holds 24 to 64 bytes in base64', async t => {
  for (const bytes of [24, 25, 32, 64]) t.equal(faultOfWebhookSecret(secretOf(bytes)), undefined, `${bytes}`)
  for (const [secret, says] of [
    [secretOf(23), /must hold 24 to 64 bytes and holds 23; create one with/],
    [secretOf(65), /holds 65/],
    [secretOf(0), /holds 0/],
    ['', /must begin with whsec_; create one with/],
    [secretOf(32).slice(6), /must begin with whsec_/],
    [secretOf(32).replace(/=+$/, ''), /must continue as base64 with its padding/],
    [`${secretOf(32)}\n`, /must continue as base64/],
    [`whsec_${Buffer.alloc(32, 0xfb).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`, /as base64/],
    ['whsec_planted planted planted planted planted planted', /as base64/],
  ] as const) {
    const fault = faultOfWebhookSecret(secret)
    t.match(fault, says)
    t.notMatch(fault, /planted|cGxhbnRlZ/, 'it is not repeated')
  }
})
