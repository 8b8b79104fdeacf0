import { z } from 'zod'

/** Items that are broken for good: whoever gets one by its id, alone or in a batch, is answered with this HTTP status. */
export type Broken = Readonly<Record<string, number>>

/** Broken items as JSON. */
export const brokenSchema = z.record(z.string(), z.number().int().min(400).max(599))

/** The status with which a request for a broken item is answered; the item is the last segment of its path. */
export function statusOfBroken(broken: Broken, url: string): number | undefined {
  const [path = ''] = url.split('?')
  return broken[decodeURIComponent(path.slice(path.lastIndexOf('/') + 1))]
}
