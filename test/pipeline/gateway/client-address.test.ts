import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { createClientAddress, peerKey } from '../../../pipeline/gateway/client-address.ts'
import { readConfig } from '../../../shared/config.ts'

const PROXY = '10.0.0.1'

function clientOf(trusted: string, peer: string, forwarded?: string): string {
  const { TRUSTED_PROXIES } = readConfig(trusted === '' ? {} : { TRUSTED_PROXIES: trusted })
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  return createClientAddress(TRUSTED_PROXIES)({
    socket: { remoteAddress: peer },
    headers,
  } as unknown as IncomingMessage)
}

const cases: [what: string, trusted: string, peer: string, forwarded: string | undefined, client: string][] = [
  ['no proxy is trusted', '', '203.0.113.9', '198.51.100.7', '203.0.113.9'],
  ['one hop', '1', PROXY, '198.51.100.7', '198.51.100.7'],
  ['one hop, and what the client wrote', '1', PROXY, '1.1.1.1, 2.2.2.2,198.51.100.7', '198.51.100.7'],
  ['two hops', '2', PROXY, '1.1.1.1, 198.51.100.7, 192.0.2.1', '198.51.100.7'],
  ['fewer than the hops', '3', PROXY, '198.51.100.7', '198.51.100.7'],
  ['no header', '2', PROXY, undefined, PROXY],
  ['an empty header', '1', PROXY, '', PROXY],
  ['in the range', '10.0.0.0/8', PROXY, '198.51.100.7', '198.51.100.7'],
  ['out of the range', '10.0.0.0/8', '203.0.113.9', '198.51.100.7', '203.0.113.9'],
  ['several in the ranges', '10.0.0.0/8, 192.0.2.1', PROXY, '1.1.1.1, 198.51.100.7, 192.0.2.1', '198.51.100.7'],
  ['spoofed as a proxy', '10.0.0.0/8', PROXY, '1.1.1.1, 10.6.6.6, 198.51.100.7', '198.51.100.7'],
  ['all are proxies', 'private', '192.168.1.1', '10.1.1.1', '10.1.1.1'],
  ['loopback', 'loopback', '::1', '198.51.100.7', '198.51.100.7'],
  ['mapped', 'loopback', '::ffff:127.0.0.1', '::ffff:198.51.100.7', '198.51.100.7'],
  ['of IPv6', 'fd00::/8', 'fd12::1', '2001:db8::7', '2001:db8::7'],
  ['with a port', '1', PROXY, '198.51.100.7:4711', '198.51.100.7'],
  ['of IPv6 with a port', '1', PROXY, '[2001:db8::7]:4711', '2001:db8::7'],
  ['with a zone', '1', PROXY, 'fe80::1%eth0', 'fe80::1'],
  ['no address', '1', PROXY, 'unknown', PROXY],
  ['a script', '1', PROXY, '<script>', PROXY],
  ['control characters', '1', PROXY, '\u009b2J', PROXY],
  ['no address behind one', '2', PROXY, '_hidden, 198.51.100.7', '198.51.100.7'],
  ['commas alone', '5', PROXY, ',,,,', PROXY],
]

t.test('only trusted proxies determine the client address', async t => {
  for (const [what, trusted, peer, forwarded, client] of cases)
    t.equal(clientOf(trusted, peer, forwarded), client, what)
  t.equal(createClientAddress({ hops: 0 })({ socket: {}, headers: {} } as unknown as IncomingMessage), 'unknown')
})

t.test('one IPv6 network counts as one client', async t => {
  t.equal(peerKey('2001:db8:1:2:3:4:5:6'), peerKey('2001:db8:1:2::9'))
  t.not(peerKey('2001:db8:1:2::9'), peerKey('2001:db8:1:3::9'))
  t.equal(peerKey('::ffff:1.2.3.4'), '1.2.3.4')
  t.equal(peerKey('nothing'), 'unknown')
})

t.test('invalid trusted proxies are refused by name', async t => {
  for (const value of [
    '-1',
    '21',
    'true',
    '10.0.0.0/33',
    '1.2.3',
    'proxy.example.com',
    '10.0.0.1;10.0.0.2',
    '1,',
    '::1/129',
  ])
    t.throws(
      () => readConfig({ TRUSTED_PROXIES: value }),
      { kind: 'misconfigured', message: /TRUSTED_PROXIES: / },
      value,
    )
  t.same(readConfig({ TRUSTED_PROXIES: ' 2 ' }).TRUSTED_PROXIES, { hops: 2 })
})
