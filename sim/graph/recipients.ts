import { addressParser } from 'postal-mime'

// What is in quotes is a name, even if it looks like an address: until it is parsed its sign is a character that no text holds.
const QUOTED_AT = '\ufdd1'
const LOCAL_IN_QUOTES = /(^|[,;:]\s*)("[^"]*"@[^\s,;<>]+)/g

/** A person or list as Graph gives it: with the address for a name where there is no other, and the name alone where there is no address. */
export interface Recipient {
  emailAddress: { name: string; address: string }
}

/**
 * Whom the values of one address header name, members of groups included. A comma in a name that is not quoted splits no person where the
 * parts are not in ASCII, or where one alone is meant.
 */
export function recipientsIn(values: readonly string[], { alone = false } = {}): Recipient[] {
  const people = values.flatMap(value => addressParser(guarded(value), { flatten: true }))
  const found: { name: string; address: string }[] = []
  for (const { name, address = '' } of people) {
    const before = found.at(-1)
    const joined = `${before?.name}, ${name}`
    const isOne = before?.address === '' && address !== '' && name !== '' && (alone || /[^\0-\x7f]/.test(joined))
    if (isOne) found.pop()
    if (name !== '' || address !== '') found.push({ name: isOne ? joined : name, address })
  }
  return found.map(({ name, address }) => ({
    emailAddress: { name: shown(name || address), address: nameless(address) },
  }))
}

function guarded(value: string): string {
  let marked = ''
  let at = 0
  for (let open = value.indexOf('"'); open >= 0; open = value.indexOf('"', at)) {
    const close = closingOf(value, open)
    if (close < 0) break
    const quoted = value.slice(open, close + 1)
    marked += value.slice(at, open) + (value[close + 1] === '@' ? quoted : quoted.replaceAll('@', QUOTED_AT))
    at = close + 1
  }
  return (marked + value.slice(at)).replace(LOCAL_IN_QUOTES, '$1<$2>')
}

function closingOf(value: string, open: number): number {
  let at = open + 1
  while (at < value.length && value[at] !== '"') at += value[at] === '\\' ? 2 : 1
  return at < value.length ? at : -1
}

function shown(text: string): string {
  return text.replaceAll(QUOTED_AT, '@')
}

// What stood in quotes alone is taken for an address where there is no other.
function nameless(address: string): string {
  return address.includes(QUOTED_AT) ? '' : address
}
