import { z } from 'zod'

/** A permanent error for matching requests: by a part of their decoded path, and by mailbox. */
export interface Denial {
  path: string
  status: number
  /** Google's reason, or Graph's code. */
  reason: string
  message?: string | undefined
  /** The affected mailboxes; all by default. */
  addresses?: readonly string[] | undefined
}

/** The JSON schema of denials. */
export const denialsSchema = z.array(
  z.strictObject({
    path: z.string().min(1),
    status: z.number().int().min(400).max(599),
    reason: z.string(),
    message: z.string().optional(),
    addresses: z.array(z.string()).optional(),
  }),
)

/** Returns the first denial that matches a request. */
export function denialOf(denials: readonly Denial[], url: string, address: string | undefined): Denial | undefined {
  if (denials.length === 0) return undefined
  const path = decoded(url)
  return denials.find(
    one =>
      path.includes(one.path) &&
      (!one.addresses || one.addresses.some(name => name.toLowerCase() === address?.toLowerCase())),
  )
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}
