import { z } from 'zod'

/** The proxies whose forwarding headers are trusted: a number of hops before the gateway, or the proxies at these addresses. */
export type TrustedProxies = { hops: number } | { ranges: string[] }

// The names that common libraries use as well.
const RANGES: ReadonlyMap<string, string[]> = new Map([
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fe80::/10']],
])
const MAX_HOPS = 20
const range = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])

/** The number of proxies before the gateway, or their comma-separated addresses; none by default. */
export const trustedProxies = z
  .string()
  .default('0')
  .transform((text, context): TrustedProxies => {
    const words = text.split(',').map(word => word.trim())
    if (/^\d{1,2}$/.test(text.trim()) && Number(text) <= MAX_HOPS) return { hops: Number(text) }
    const ranges = words.flatMap(word => RANGES.get(word) ?? word)
    if (ranges.every(one => range.safeParse(one).success)) return { ranges }
    context.addIssue(
      `how many proxies are before the gateway, 0 to ${MAX_HOPS}, or their addresses, such as 10.0.0.0/8,fd00::/8, loopback or private`,
    )
    return z.NEVER
  })
