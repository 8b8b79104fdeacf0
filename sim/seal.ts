/** Encodes a readable token: a prefix, then JSON in base64url. */
export function seal(prefix: string, sealed: object): string {
  return prefix + Buffer.from(JSON.stringify(sealed)).toString('base64url')
}

/** Decodes a token; `undefined` for another prefix or an invalid token. */
export function open<Sealed>(token: string, prefix: string): Sealed | undefined {
  if (!token.startsWith(prefix)) return undefined
  try {
    return JSON.parse(Buffer.from(token.slice(prefix.length), 'base64url').toString()) as Sealed
  } catch {
    return undefined
  }
}

/** Counts, for each address and for all, how often earlier tokens were invalidated. */
export function createCounts() {
  const own = new Map<string, number>()
  let all = 0
  return {
    of: (address: string) => all + (own.get(address) ?? 0),
    next(address?: string) {
      if (address === undefined) all += 1
      else own.set(address, (own.get(address) ?? 0) + 1)
    },
  }
}
