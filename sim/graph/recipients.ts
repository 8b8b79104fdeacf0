import { addressParser } from 'postal-mime'

// Quoted text is a name, even if it looks like an address: until parsing ends, its "@" is a character that no
// text contains.
const QUOTED_AT = '\ufdd1'
const NAME_IN_BRACKETS = /<([^\\"<>@,;]{0,200})>(?=[^\\"<>,;]{0,200}<[^\\"<>,;]{0,320}@)/g
const LOCAL_IN_QUOTES = /(^|[,;:]\s*)("[^"]*"@[^\s,;<>]+)/g

/**
 * A person or list as Graph renders it: the address replaces a missing name, and a name may lack an address.
 */
export interface Recipient {
  emailAddress: { name: string; address: string }
}

/**
 * Returns the recipients in the values of one address header, including members of groups. A comma in an
 * unquoted name splits no person if the parts are not in ASCII, or if only one person is allowed.
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
    marked += flat(value.slice(at, open)) + (value[close + 1] === '@' ? quoted : quoted.replaceAll('@', QUOTED_AT))
    at = close + 1
  }
  return (marked + flat(value.slice(at))).replace(LOCAL_IN_QUOTES, '$1<$2>')
}

// The parser knows one level of comments and brackets, and takes the first bracket for the address.
function flat(text: string): string {
  let depth = 0
  const comments = text.replace(/[()]/g, sign => {
    if (sign === '(') depth += 1
    const isOuter = depth <= 1
    if (sign === ')') depth = Math.max(0, depth - 1)
    return isOuter ? sign : ' '
  })
  return comments.replace(/<(?=<)|(?<=>)>/g, '').replace(NAME_IN_BRACKETS, '"<$1>"')
}

function closingOf(value: string, open: number): number {
  let at = open + 1
  while (at < value.length && value[at] !== '"') at += value[at] === '\\' ? 2 : 1
  return at < value.length ? at : -1
}

function shown(text: string): string {
  return text.replaceAll(QUOTED_AT, '@')
}

// Quoted text alone serves as an address if there is no other.
function nameless(address: string): string {
  return address.includes(QUOTED_AT) ? '' : address
}
