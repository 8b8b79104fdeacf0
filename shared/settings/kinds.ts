import { z } from 'zod'
import { parseMailboxId } from '../mailbox.ts'
import { parseSealingKeys } from '../seal.ts'
import { faultOfFields } from './gmail-fields.ts'
import { asProxy } from './proxies.ts'
import { trimmed, wordsOf } from './text.ts'

/** The scope of a mailbox's first sync: the newest `count` messages, all of them, or those of the last `days`. */
export type InitialSync = { kind: 'newest'; count: number } | { kind: 'all' } | { kind: 'days'; days: number }

const number = (digits: RegExp, low: number, high: number, allowed: string) =>
  z.string().regex(digits, allowed).transform(Number).pipe(z.number(allowed).min(low, allowed).max(high, allowed))

/** A whole number in decimal digits; other notations are refused. */
export const between = (low: number, high: number, allowed = `a whole number from ${low} to ${high}`) =>
  number(/^\d{1,15}$/, low, high, allowed)

/** A whole number with a default. */
export const whole = (low: number, high: number, preset: number) => between(low, high).default(preset)

/** A number with or without a decimal point. */
export const decimal = (low: number, high: number, preset: number) =>
  number(/^(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})$/, low, high, `a number from ${low} to ${high}`).default(preset)

const DOLLARS = 'an amount in US dollars from 0.01 to 1000000, such as 5 or 0.50'

/** An amount in US dollars, as whole millionths. */
export const dollars = number(/^(?:\d{1,7}(?:\.\d{0,6})?|\.\d{1,6})$/, 0.01, 1_000_000, DOLLARS)
  .transform(amount => Math.round(amount * 1_000_000))
  .optional()

/** One of some words, in any letter case. */
export const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z
    .string()
    .toLowerCase()
    .pipe(z.enum(values, { error: `one of ${values.join(', ')}` }))

/** One of some words, in any letter case, with a default. */
export const oneOf = <const T extends readonly [string, ...string[]]>(values: T, preset: T[number]) =>
  choice(values).default(() => preset)

/** A boolean in its common spellings; false by default. */
export const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['1', 'true', 'yes', 'on', '0', 'false', 'no', 'off'], { error: '1 or 0' }))
  .transform(word => ['1', 'true', 'yes', 'on'].includes(word))
  .default(false)

/** One word without white space, such as an id or a token. */
export const unspaced = (allowed: string) => z.string().regex(/^\S+$/, allowed)

/** An address with one of these schemes. */
export const url = (schemes: string[]) => {
  const allowed = `an address that begins with ${schemes.map(scheme => `${scheme}//`).join(' or ')}`
  const isOne = (text: string) => !/\s/.test(text) && schemes.includes(URL.canParse(text) ? new URL(text).protocol : '')
  return z.string().refine(isOne, allowed).optional()
}

const ESCAPED = 'in a password, write # as %23, / as %2F, ? as %3F and @ as %40'

/** The address of a Redis: a server and at most a database number. */
export const redisUrl = z
  .string()
  .superRefine((text, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', message })
    const allowed = 'an address that begins with redis:// or rediss://'
    if (/\s/.test(text) || !URL.canParse(text)) return refuse(`${allowed}; ${ESCAPED}`)
    const { protocol, hostname, pathname, searchParams, hash } = new URL(text)
    if (protocol !== 'redis:' && protocol !== 'rediss:') return refuse(allowed)
    if (hostname === '') return refuse(`${allowed} and names a server; ${ESCAPED}`)
    if (!/^\/?\d{0,9}$/.test(pathname)) return refuse(`only the number of a database behind the server; ${ESCAPED}`)
    const others = [...searchParams].filter(([name, value]) => name !== 'family' || !/^[046]$/.test(value))
    if (others.length > 0 || hash !== '')
      return refuse(`no options behind the address but ?family=0, 4 or 6; ${ESCAPED}`)
  })
  .optional()

const PEM_END = 'CERTIFICATE-----'

/** Certificates as PEM, with line feeds also as `\n`, or the name of a file with them. */
export const certificates = z
  .string()
  .transform(text => text.replaceAll('\\n', '\n'))
  .refine(
    text => !/[\n\r]/.test(text) || (/^-----BEGIN [A-Z ]*CERTIFICATE-----/.test(text) && text.endsWith(PEM_END)),
    'the name of a PEM file, or the whole text of one, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----',
  )
  .optional()

/** The base address at which a provider reaches mailsluice, without a path; mailsluice chooses the paths. */
export const base = (allowed: string) =>
  z
    .string()
    .refine(value => {
      if (!URL.canParse(value)) return false
      const { protocol, origin, href } = new URL(value)
      return ['https:', 'http:'].includes(protocol) && href === `${origin}/`
    }, allowed)
    .transform(value => new URL(value).origin)
    .optional()

/** Comma-separated words; none by default. */
export const list = listOf('')

/** Comma-separated words, or `none`. */
export const words = (preset: string) =>
  listOf(preset).transform((found, context) => {
    if (!found.some(isNone)) return found
    if (found.length === 1) return []
    context.addIssue('"none" alone, or labels without it')
    return z.NEVER
  })

function listOf(preset: string) {
  return z
    .string()
    .default(preset)
    .transform((text, context) => {
      const read = wordsOf(text)
      if ('words' in read) return read.words
      context.addIssue(read.fault)
      return z.NEVER
    })
}

function isNone(word: string): boolean {
  return word.toLowerCase() === 'none'
}

/** `100`, `30d` or `all`. */
export const initialSync = z
  .string()
  .default('100')
  .transform((text, context): InitialSync => {
    const match = /^(?:(all)|([1-9]\d{0,8})(d?))$/i.exec(text)
    if (match?.[1]) return { kind: 'all' }
    if (match?.[3]) return { kind: 'days', days: Number(match[2]) }
    if (match) return { kind: 'newest', count: Number(match[2]) }
    context.addIssue('a number of newest messages (100), a number of days (30d), or all')
    return z.NEVER
  })

/** Keys for sealing accounts; none by default. */
export const sealingKeys = z
  .string()
  .default('')
  .transform((text, context) => {
    const keys = text === '' ? [] : parseSealingKeys(text)
    if (keys) return keys
    context.addIssue('32 bytes in base64, as `openssl rand -base64 32` prints, or several such keys as v2:KEY,v1:KEY')
    return z.NEVER
  })

/** Outlook mailboxes, by address. */
export const outlookMailboxes = list.transform((addresses, context) => {
  try {
    return addresses.map(address => parseMailboxId(`outlook:${trimmed(address)}`))
  } catch {
    context.addIssue('addresses such as ana@example.com,bo@example.com')
    return z.NEVER
  }
})

/** The message fields to request from Gmail, in the syntax of its `fields` parameter; required fields must be included. */
export const gmailFields = z
  .string()
  .superRefine((text, context) => {
    const fault = faultOfFields(text)
    if (fault !== undefined) context.addIssue(fault)
  })
  .optional()

/** The address of an HTTP proxy, with or without a scheme. */
export const proxy = z
  .string()
  .transform(asProxy)
  .refine(value => URL.canParse(value) && ['http:', 'https:'].includes(new URL(value).protocol), {
    error: 'a proxy such as http://proxy.example.com:3128; SOCKS is not supported',
  })
  .optional()

/** The earliest mail: a fixed time (ms since 1970), or the last `days`. */
export type Since = { at: number } | { days: number }

const SINCE = 'a date such as 2026-11-01, or days such as 30d'

/** A date in UTC, or a number of days before the present. */
export const since = z
  .string()
  .transform((text, context): Since => {
    const days = /^(\d{1,5})d$/i.exec(text)?.[1]
    if (days !== undefined && Number(days) > 0) return { days: Number(days) }
    const at = /^\d{4}-\d{2}-\d{2}(?:T[\d:.]{1,20}Z)?$/.test(text) ? Date.parse(text) : Number.NaN
    // Dates that do not exist, such as 30 February, are read as days of the next month.
    const isDay = !Number.isNaN(at) && new Date(at).toISOString().startsWith(text.slice(0, 10))
    if (!isDay) context.addIssue(SINCE)
    return { at }
  })
  .optional()

/** A time zone of the IANA database. */
export const timeZone = z.string().refine(isTimeZone, 'a time zone such as Europe/Copenhagen, or UTC').default('UTC')

/** Returns whether the IANA database has a time zone of this name. */
export function isTimeZone(name: string): boolean {
  try {
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined
  } catch {
    return false
  }
}
