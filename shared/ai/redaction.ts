import { mapTexts } from './texts.ts'

/** What placeholders stand for, by their text. */
export interface Redaction {
  values: ReadonlyMap<string, string>
}

const OF_LOCAL_PART = /[\p{L}\p{N}\p{M}.!#$%&'*+/=?^_`{|}~-]/u
const OF_DOMAIN = /[\p{L}\p{N}\p{M}.-]/u
const LONGEST_LOCAL_PART = 64
const LONGEST_DOMAIN = 255
const DIGITS = /(?<![\p{L}\p{N}])(?:\+|\()?\d(?:[ \u00a0()./-]{0,3}\d){6,60}(?![\p{L}\p{N}])/gu
const PHONE_START = /^(?:\+|\(\+?\d|0\d)/
const NORTH_AMERICAN = /^(?:1[ .-])?\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}(?!\d)/
const DATE = /^(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})(?!\d)/
const FEWEST_OF_PHONE = 8
const FEWEST_OF_CARD = 13
const MOST_OF_CARD = 19

/**
 * Replaces e-mail addresses, phone numbers and card numbers in all texts by placeholders such as `[email-1]`. Equal values have the same
 * placeholder, and numbers follow the order of the texts, so the same task is always sent the same way.
 */
export function redacted<T>(value: T): Redaction & { value: T } {
  const places = new Map<string, string>()
  const values = new Map<string, string>()
  const counts = { email: 0, phone: 0, card: 0 }
  const place = (kind: keyof typeof counts, found: string, key: string): string => {
    const known = places.get(`${kind} ${key}`)
    if (known !== undefined) return known
    counts[kind] += 1
    const made = `[${kind}-${counts[kind]}]`
    places.set(`${kind} ${key}`, made)
    values.set(made, found)
    return made
  }
  const change = (text: string) =>
    withAddresses(text, found => place('email', found, found.toLowerCase())).replace(DIGITS, found =>
      withNumbers(found, (kind, number) => place(kind, number, number.replace(/\D/g, ''))),
    )
  return { value: mapTexts(value, change), values }
}

/** Puts the values back where an answer has their placeholders. */
export function restored<T>(value: T, { values }: Redaction): T {
  if (values.size === 0) return value
  return mapTexts(value, text => text.replace(/\[(?:email|phone|card)-\d{1,6}\]/g, found => values.get(found) ?? found))
}

function withAddresses(text: string, change: (address: string) => string): string {
  const kept: string[] = []
  let done = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at
    while (start > done && at - start < LONGEST_LOCAL_PART && OF_LOCAL_PART.test(text.charAt(start - 1))) start -= 1
    let end = at + 1
    while (end < text.length && end - at <= LONGEST_DOMAIN && OF_DOMAIN.test(text.charAt(end))) end += 1
    // A full stop ends the sentence.
    while (end > at + 1 && /[.-]/.test(text.charAt(end - 1))) end -= 1
    if (start === at || end === at + 1) continue
    kept.push(text.slice(done, start), change(text.slice(start, end)))
    done = end
    at = end - 1
  }
  return `${kept.join('')}${text.slice(done)}`
}

// Numbers may follow one another without a mark between them: a date, a phone number, a card and its month.
function withNumbers(found: string, change: (kind: 'phone' | 'card', number: string) => string): string {
  const kept: string[] = []
  let rest = found
  while (rest !== '') {
    const card = cardIn(rest)
    const phone = rest.slice(0, phoneIn(rest))
    if (card !== '') kept.push(change('card', card))
    else if (phone !== '') kept.push(change('phone', phone))
    else kept.push(DATE.exec(rest)?.[0] ?? /^(?:\d+|\D)/.exec(rest)?.[0] ?? rest)
    const taken = card !== '' ? card : phone !== '' ? phone : (kept.at(-1) ?? '')
    rest = rest.slice(taken.length)
  }
  return kept.join('')
}

// The longest card number at the start, in whole groups of digits.
function cardIn(text: string): string {
  let longest = ''
  let digits = ''
  if (!/^\d/.test(text)) return longest
  for (const { 0: group, index } of text.matchAll(/\d+/g)) {
    digits += group
    if (digits.length > MOST_OF_CARD) break
    if (isCard(digits)) longest = text.slice(0, index + group.length)
  }
  return longest
}

// A number with a prefix of a country or an area goes with all that follows: nobody knows where it ends.
function phoneIn(text: string): number {
  if (DATE.test(text)) return 0
  const short = NORTH_AMERICAN.exec(text)?.[0].length
  if (short !== undefined) return short
  return PHONE_START.test(text) && text.replace(/\D/g, '').length >= FEWEST_OF_PHONE ? text.length : 0
}

function isCard(digits: string): boolean {
  if (digits.length < FEWEST_OF_CARD) return false
  let sum = 0
  for (const [place, digit] of [...digits].reverse().entries()) {
    const doubled = Number(digit) * (place % 2 === 1 ? 2 : 1)
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
