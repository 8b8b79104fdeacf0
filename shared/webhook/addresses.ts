import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Where an address leads. `public`: the Internet. `private`: this machine or a network of one's own, carriers' shared addresses included.
 * `nowhere`: no receiver can have it, as with link-local addresses, where clouds serve credentials; or its packets leave for another.
 */
export type Reach = 'public' | 'private' | 'nowhere'

const OWN = ['private', 'loopback', 'uniqueLocal', 'carrierGradeNat']
// The part of IPv6 that is assigned to the Internet (RFC 4291); the library calls all of the rest that has no name `unicast`, too.
const ASSIGNED = ipaddr.IPv6.parse('2000::')
const ASSIGNED_BITS = 3
// An address of the Internet's translators (RFC 6052) ends with that of an IPv4 host; elsewhere in the range its place is not known.
const TRANSLATED = ipaddr.IPv6.parse('64:ff9b::')
const TRANSLATED_BITS = 96

/** Returns where an address leads, by the registries of special addresses; that of an IPv4 host within IPv6 counts as the host's. */
export function reachOf(address: string): Reach {
  if (isIP(address) === 0) return 'nowhere'
  const parsed = ipaddr.process(address)
  const range = parsed.range()
  if (OWN.includes(range)) return 'private'
  if (parsed instanceof ipaddr.IPv6) {
    if (parsed.match(TRANSLATED, TRANSLATED_BITS)) return reachOf(parsed.toByteArray().slice(-4).join('.'))
    if (!parsed.match(ASSIGNED, ASSIGNED_BITS)) return 'nowhere'
  }
  return range === 'unicast' ? 'public' : 'nowhere'
}

/** Returns the check of addresses for a receiver: why no connection may be made and how to mend it, or `undefined`. */
export function addressCheck({ url, allowPrivate }: { url: URL; allowPrivate: boolean }) {
  return (address: string): string | undefined => {
    const leads = `WEBHOOK_URL: the host ${url.hostname} leads to`
    switch (reachOf(address)) {
      case 'nowhere':
        return `${leads} ${address}, which is no address of a receiver; correct the host or its DNS record`
      case 'private':
        if (allowPrivate) return undefined
        return `${leads} the private address ${address}; set WEBHOOK_ALLOW_PRIVATE=1 if the receiver is in your own network`
      case 'public':
        if (url.protocol === 'https:') return undefined
        return `${leads} the Internet, where plain http would show mail to others; write https://`
    }
  }
}
