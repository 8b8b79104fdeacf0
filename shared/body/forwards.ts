import type { Address } from '../message.ts'

/** The people of a mail. */
export interface People {
  from: readonly Address[]
  to: readonly Address[]
  cc: readonly Address[]
}

// "---------- Forwarded message ---------" of Gmail, and the like in any language.
const BANNER = /^ {0,3}-{8,40} [^-\n]{3,60} -{8,40} {0,3}$/
const FIELD = /^ {0,3}\*?[^\s:：<>@][^:：<>@]{0,30}[:：]\*? {0,3}\S/
const FIELDS_WITHIN = 4
const LEAST_FIELDS = 2

/**
 * Returns of each mail, oldest first, whether it passes the thread on: none of its recipients wrote or received an earlier mail of the thread,
 * so none of them has the text below it.
 */
export function forwardsIn(oldestFirst: readonly People[]): boolean[] {
  const known = new Set<string>()
  return oldestFirst.map(({ from, to, cc }, place) => {
    const recipients = [...to, ...cc].flatMap(addressOf)
    const isForward = place > 0 && recipients.length > 0 && recipients.every(address => !known.has(address))
    for (const address of [...from.flatMap(addressOf), ...recipients]) known.add(address)
    return isForward
  })
}

/** Returns the place of the line where a forwarded mail begins: a banner above header fields. The number of lines where there is none. */
export function forwardAt(lines: readonly string[]): number {
  const found = lines.findIndex((line, at) => {
    if (!BANNER.test(line)) return false
    return lines.slice(at + 1, at + 1 + FIELDS_WITHIN).filter(one => FIELD.test(one)).length >= LEAST_FIELDS
  })
  return found < 0 ? lines.length : found
}

function addressOf({ address }: Address): string[] {
  return address === '' ? [] : [address.toLowerCase()]
}
