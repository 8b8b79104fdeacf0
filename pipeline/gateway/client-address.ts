import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import type { TrustedProxies } from '../../shared/settings/trusted-proxies.ts'

/** Returns the trustworthy client address of a request. */
export type ClientAddress = (request: IncomingMessage) => string

const UNKNOWN = 'unknown'

/**
 * Creates a function that follows `X-Forwarded-For` from its end, through entries of trusted proxies only: for the configured number of
 * hops, or while addresses are in the trusted ranges. Entries that a client wrote itself come before those and are never read. An entry
 * that is no address ends the walk. The result is always an address, or `unknown` for a closed connection.
 */
export function createClientAddress(trusted: TrustedProxies): ClientAddress {
  const isTrusted = 'hops' in trusted ? (_: string, hop: number) => hop < trusted.hops : inRanges(trusted.ranges)
  return request => {
    let client = addressIn(request.socket.remoteAddress ?? '') ?? UNKNOWN
    let rest = forwarded(request)
    for (let hop = 0; rest !== '' && isTrusted(client, hop); hop += 1) {
      const comma = rest.lastIndexOf(',')
      const next = addressIn(rest.slice(comma + 1).trim())
      if (next === undefined) break
      client = next
      rest = rest.slice(0, Math.max(comma, 0))
    }
    return client
  }
}

/** Returns the key under which requests and connections are counted: an IPv4 address, or an IPv6 network, because one client has many IPv6 addresses. */
export function peerKey(address: string): string {
  return isIP(address) === 0 ? UNKNOWN : normalizeIP(address)
}

function forwarded({ headers }: IncomingMessage): string {
  const header = headers['x-forwarded-for'] ?? ''
  return typeof header === 'string' ? header : header.join(',')
}

function inRanges(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/')
    const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(network, family)
    else list.addSubnet(network, Number(prefix), family)
  }
  return address => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

// Some proxies add the port.
function addressIn(text: string): string | undefined {
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text
  const unzoned = bare.split('%', 1)[0] ?? ''
  const mapped = /^::ffff:([\d.]+)$/i.exec(unzoned)?.[1]
  const address = mapped ?? unzoned
  return isIP(address) === 0 ? undefined : address
}
