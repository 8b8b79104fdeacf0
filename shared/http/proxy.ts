import { BlockList, isIP } from 'node:net'
import type { Proxies } from '../settings/proxies.ts'

/**
 * Returns the proxy for an address, as the settings say, or `undefined` for a direct connection. This machine is always reached directly,
 * whatever the settings say.
 */
export function proxyFor(url: URL, { https, http, except }: Proxies): string | undefined {
  const proxy = url.protocol === 'https:' ? https : http
  const host = hostOf(url)
  if (proxy === undefined || isLoopback(host)) return undefined
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return except.some(rule => covers(rule, host, port)) ? undefined : proxy
}

const LOOPBACK = loopback()

function loopback(): BlockList {
  const list = new BlockList()
  list.addSubnet('127.0.0.0', 8)
  list.addAddress('0.0.0.0')
  list.addAddress('::1', 'ipv6')
  list.addAddress('::', 'ipv6')
  return list
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || isWithin(LOOPBACK, host)
}

// An entry of NO_PROXY: a name with all its subdomains, an address, or a network such as 10.0.0.0/8, any of them with a port; or * for
// everything.
function covers(rule: string, host: string, port: string | undefined): boolean {
  if (rule === '*') return true
  const [network = '', bits] = rule.split('/')
  if (bits !== undefined) return isInNetwork(network, Number(bits), host)
  const [, bracketed, plain = '', only] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(rule) ?? [undefined, rule]
  if (only !== undefined && only !== port) return false
  const name = (bracketed ?? plain)
    .toLowerCase()
    .replace(/^\*?\./, '')
    .replace(/\.$/, '')
  return name !== '' && (host === name || (isIP(host) === 0 && host.endsWith(`.${name}`)))
}

function isInNetwork(network: string, bits: number, host: string): boolean {
  const version = isIP(network)
  if (version === 0 || !(bits >= 0 && bits <= (version === 4 ? 32 : 128))) return false
  const list = new BlockList()
  list.addSubnet(network, bits, version === 4 ? 'ipv4' : 'ipv6')
  return isWithin(list, host)
}

function isWithin(list: BlockList, host: string): boolean {
  const version = isIP(host)
  return version > 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6')
}

/** Returns the host of a URL in lower case, without the brackets of an address and without a final dot. */
export function hostOf({ hostname }: URL): string {
  return hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
}
