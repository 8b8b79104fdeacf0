import t from 'tap'
import type { LookUp } from '../../../shared/http/pinning.ts'
import { type Reach, reachOf } from '../../../shared/webhook/addresses.ts'
import { callNow, errorOf, openSink, startReceiver, taskOf } from './receiver.ts'

const REACHES: Readonly<Record<Reach, readonly string[]>> = {
  public: [
    '1.1.1.1',
    '93.184.216.34',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '::ffff:1.1.1.1',
    '64:ff9b::101:101',
  ],
  private: [
    ...['127.0.0.1', '127.255.255.254', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
    ...[
      '::1',
      'fc00::1',
      'fdff::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:10.0.0.1',
      '0:0:0:0:0:ffff:c0a8:0101',
    ],
    ...['::127.0.0.1', '64:ff9b::127.0.0.1', '64:ff9b::a00:1'],
  ],
  nowhere: [
    // Link-local, with the metadata services of clouds.
    ...['169.254.169.254', '169.254.0.1', 'fe80::1', 'fe80::1%eth0', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'],
    // Unspecified, broadcast, multicast, and addresses for documents, measurements and later.
    ...['0.0.0.0', '0.1.2.3', '::', '255.255.255.255', '224.0.0.1', 'ff02::1', '192.0.2.1', '198.18.0.1', '240.0.0.1'],
    ...['192.0.0.192', '2001:db8::1', '3fff::1', '100::1', 'fec0::1', '5f00::1', '4000::1', 'e000::1'],
    // Forms that hold the address of another host.
    ...['::7f00:1', '::ffff:0:127.0.0.1', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2001::1', '64:ff9b:1::7f00:1'],
    ...['', 'localhost', '1.2.3', '::g'],
  ],
}

for (const [reach, addresses] of Object.entries(REACHES)) {
  t.test(`addresses that lead to: ${reach}`, async t => {
    for (const address of addresses) t.equal(reachOf(address), reach, address)
  })
}

t.test('this machine and the metadata service are refused in every notation', async t => {
  const hosts = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001', '127.0.0.1.']
  const metadata = ['169.254.169.254', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '[::ffff:a9fe:a9fe]']
  const others = [
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:0:0:1]',
    '[64:ff9b::7f00:1]',
    '１２７.0.0.1',
  ]
  for (const host of [...hosts, ...metadata, ...others, '0', '0.0.0.0', '[::]', '10.1', '[fd00::1]', '100.64.1.1'])
    t.throws(
      () => openSink(t, { url: `https://${host}/`, allowPrivate: false }),
      { kind: 'misconfigured', message: /^WEBHOOK_URL: the host .* leads to .*, which is no address|private address/ },
      host,
    )
  for (const host of [...metadata, '0.0.0.0', '[::]', '224.0.0.1', '[2002:7f00:1::]'])
    t.throws(
      () => openSink(t, { url: `https://${host}/` }),
      { kind: 'misconfigured', message: /leads to/ },
      `${host}, private or not`,
    )
})

t.test('a name that leads to a private address is refused before anything is sent', async t => {
  const { port, connections } = await startReceiver(t)
  const answers = [
    ['127.0.0.1'],
    ['93.184.216.34', '127.0.0.1'],
    ['::ffff:127.0.0.1'],
    ['2606:4700::1111', '93.184.216.34', '10.0.0.1'],
    ['169.254.169.254'],
  ]
  for (const addresses of answers) {
    const { lookUp } = resolving(addresses)
    const sink = openSink(t, { url: `https://hook.example.com:${port}/planted`, allowPrivate: false, lookUp })
    const error = await errorOf(sink.send(taskOf(), callNow()))
    t.match(error, { kind: 'misconfigured', message: /^WEBHOOK_URL: the host hook\.example\.com leads to / })
    t.notMatch(error.stack, /planted/)
  }
  t.equal(connections(), 0)
})

t.test('names of this machine are refused, with final dots too', async t => {
  for (const host of ['localhost', 'LOCALHOST', 'localhost.', 'hook.localhost', 'hook.localhost.'])
    t.throws(
      () => openSink(t, { url: `https://${host}/`, allowPrivate: false }),
      {
        kind: 'misconfigured',
        message: 'WEBHOOK_URL is this machine; set WEBHOOK_ALLOW_PRIVATE=1 if the receiver runs on it',
      },
      host,
    )
})

t.test('a name that changes its address later reaches nothing: what was checked is what is connected to', async t => {
  const { port, connections } = await startReceiver(t)
  // An unassigned part of the Internet, so that no packet reaches anybody.
  const { lookUp, asked } = resolving(['3ffe::1'], ['127.0.0.1'])
  const options = { url: `https://hook.example.com:${port}/`, allowPrivate: false, timeoutMs: 300, lookUp }
  const sink = openSink(t, options)
  t.match(await errorOf(sink.send(taskOf(), callNow())), { kind: 'throttled', message: /no answer from the receiver/ })
  t.equal(asked(), 1, 'one look-up is both checked and used')
  t.match(await errorOf(openSink(t, options).send(taskOf(), callNow())), { kind: 'misconfigured' })
  t.equal(connections(), 0)
})

t.test('plain http shows mail to nobody on the Internet', async t => {
  const { lookUp } = resolving(['93.184.216.34'])
  const error = await errorOf(openSink(t, { url: 'http://hook.example.com/', lookUp }).send(taskOf(), callNow()))
  t.match(error, { kind: 'misconfigured', message: /leads to the Internet, .*; write https:/ })
  t.throws(() => openSink(t, { url: 'http://1.1.1.1/' }), { kind: 'misconfigured', message: /write https:/ })
})

t.test('private receivers are reached where they are allowed, by name and address', async t => {
  const { port, deliveries } = await startReceiver(t)
  for (const host of ['hook.internal', '127.0.0.1', '2130706433', 'localhost']) {
    const { lookUp } = resolving(['127.0.0.1'])
    await openSink(t, { url: `http://${host}:${port}/`, lookUp }).send(taskOf(), callNow())
  }
  t.equal(deliveries.length, 4)
})

/** A name server that gives these answers one after the other, and the last one again. */
function resolving(...answers: readonly (readonly string[])[]): { lookUp: LookUp; asked: () => number } {
  let asked = 0
  const lookUp: LookUp = async () => {
    asked += 1
    const addresses = answers[Math.min(asked, answers.length) - 1] ?? []
    return addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return { lookUp, asked: () => asked }
}
