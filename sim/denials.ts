import { z } from 'zod'

/** Requests that are answered with an error for as long as it is set: by a part of their path, decoded, and whose mailbox they are for. */
export interface Denial {
  path: string
  status: number
  /** Google's reason, or Graph's code. */
  reason: string
  message?: string | undefined
  /** Of all mailboxes where it is absent. */
  addresses?: readonly string[] | undefined
}

/** Denials as JSON. */
export const denialsSchema = z.array(
  z.strictObject({
    path: z.string().min(1),
    status: z.number().int().min(400).max(599),
    reason: z.string(),
    message: z.string().optional(),
    addresses: z.array(z.string()).optional(),
  }),
)

/** The first denial that a request meets. */
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
