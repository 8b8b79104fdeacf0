import { spawnSync } from 'node:child_process'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { callNow, openSink, PREVIOUS, SECRET, startReceiver, taskOf } from './receiver.ts'

// A receiver's own check, from the text of the standard: no library, and another language.
const PYTHON = `
import base64, hashlib, hmac, json, sys
given = json.load(sys.stdin)
headers, body = given["headers"], given["body"]
key = base64.b64decode(given["secret"].removeprefix("whsec_"), validate=True)
signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.{body}'.encode()
expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
found = [one.split(",", 1)[1] for one in headers["webhook-signature"].split(" ") if one.startswith("v1,")]
print("accepted" if any(hmac.compare_digest(expected, one) for one in found) else "refused")
`
const TEXT = 'Übergabe am 3. März – 会議は明日です 👩🏽‍🚀 "quoted" \\ back'
const hasPython = spawnSync('python3', ['-c', '']).status === 0

t.test('the verifier of Standard Webhooks accepts each message, by either secret while they rotate', async t => {
  const { deliveries, url } = await startReceiver(t)
  t.match(await openSink(t, { url }).send(taskOf('t0', TEXT), callNow()), { outcome: 'accepted' })
  await openSink(t, { url, secrets: [SECRET, PREVIOUS] }).send(taskOf('t0', TEXT), callNow())
  const [one, two] = deliveries
  t.same(verified(one, SECRET), JSON.parse(one?.body ?? ''))
  t.throws(() => verified(one, PREVIOUS), /No matching signature/)
  for (const secret of [SECRET, PREVIOUS]) t.match(verified(two, secret), { data: taskOf('t0', TEXT) })
  t.equal(two?.headers['webhook-signature']?.split(' ').length, 2)
  t.throws(() => verified(two && { ...two, body: two.body.replace('Übergabe', 'Ubergabe') }, SECRET), /No matching/)
})

t.test('a verifier of ten lines in Python agrees', { skip: !hasPython && 'no python3' }, async t => {
  const { deliveries, url } = await startReceiver(t)
  await openSink(t, { url, secrets: [SECRET, PREVIOUS] }).send(taskOf('t0', TEXT), callNow())
  const [{ headers, body } = { headers: {}, body: '' }] = deliveries
  for (const secret of [SECRET, PREVIOUS]) t.equal(inPython({ headers, body, secret }), 'accepted')
  t.equal(inPython({ headers, body: `${body} `, secret: SECRET }), 'refused')
  t.equal(inPython({ headers, body, secret: `whsec_${Buffer.alloc(32, 1).toString('base64')}` }), 'refused')
})

t.test('a message has one id in all attempts and processes, and the time of its attempt', async t => {
  const { deliveries, url } = await startReceiver(t)
  const at = Date.UTC(2026, 10, 30, 12, 0, 0, 999)
  for (const later of [0, 61_000]) await openSink(t, { url }).send(taskOf(), callNow({ now: () => at + later }))
  await openSink(t, { url }).send(taskOf('t1'), callNow({ now: () => at }))
  const [first, again, other] = deliveries.map(({ headers }) => headers)
  t.match(first?.['webhook-id'], /^msg_[0-9a-f]{40}$/, 'no dot, and nothing of an address')
  t.equal(again?.['webhook-id'], first?.['webhook-id'])
  t.not(other?.['webhook-id'], first?.['webhook-id'])
  t.equal(first?.['webhook-timestamp'], String(Math.floor(at / 1000)))
  t.equal(again?.['webhook-timestamp'], String(Math.floor(at / 1000) + 61))
  t.notMatch(JSON.stringify(first), /planted|example/)
})

t.test('a message is JSON with a type, the time and the whole task', async t => {
  const { deliveries, url } = await startReceiver(t)
  await openSink(t, { url }).send(taskOf('t0', TEXT), callNow({ now: () => 0 }))
  t.equal(deliveries[0]?.headers['content-type'], 'application/json')
  t.same(JSON.parse(deliveries[0]?.body ?? ''), {
    type: 'analysis.task',
    timestamp: '1970-01-01T00:00:00.000Z',
    data: taskOf('t0', TEXT),
  })
})

function verified(delivery: { headers: Record<string, string>; body: string } | undefined, secret: string): unknown {
  return new Webhook(secret).verify(delivery?.body ?? '', delivery?.headers ?? {})
}

function inPython(given: object): string {
  return spawnSync('python3', ['-c', PYTHON], { input: JSON.stringify(given), encoding: 'utf8' }).stdout.trim()
}
