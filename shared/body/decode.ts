import { charsetName, decodeWestern, saysNothing } from '../mail/charsets.ts'
import type { Body } from '../message.ts'
import { decodeEscapes } from './escapes.ts'
import { mendUtf8 } from './mend-utf8.ts'

/** Decodes bytes in a charset that Node.js does not know; `undefined` if nothing knows it. */
export type DecodeRare = (bytes: Uint8Array, charset: string) => string | undefined

/** A decoded text, and what decided its charset. */
export interface Decoded {
  text: string
  decodedBy: NonNullable<Body['decodedBy']>
}

const UNREAD = '\ufffd'
const FIRST_HIGH = 0x80
const META = /<meta[^<>]{0,200}?charset\s{0,9}=\s{0,9}["']?([\w.:-]{1,60})/i
const META_WITHIN = 2048
// The share of unreadable characters above which a declared charset is wrong, as a divisor of those beyond ASCII.
const TOLERATED = 10

/**
 * Decodes the bytes of a text. The first that applies decides: escapes of ISO 2022, valid UTF-8, the declared charset, a rare charset, and
 * windows-1252. Providers convert texts to UTF-8 and keep the declared charset, so UTF-8 precedes it. A page's own declaration counts where
 * the mail has none. Never throws, and takes linear time.
 */
export function decodeText(
  bytes: Uint8Array,
  { charset = '', isHtml }: { charset?: string | undefined; isHtml: boolean },
  decodeRare: DecodeRare,
): Decoded {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const declared = declaredIn(text, charset, isHtml)
  const escaped = decodeEscapes(text, declared)
  if (escaped !== undefined) return { text: escaped, decodedBy: 'escapes' }
  const hidden = decodeHidden(bytes, text, declared, decodeRare)
  if (hidden) return hidden
  // A decoder takes longer to create than a short text to decode.
  const utf8 = /[\x80-\xff]/.test(text) ? decodeAs(bytes, 'utf-8') : text
  if (utf8 !== undefined) return { text: utf8, decodedBy: 'utf-8' }
  const broken = decodeMended(bytes, declared)
  if (broken !== undefined) return { text: broken, decodedBy: 'utf-8' }
  const named = decodeDeclared(bytes, declared)
  if (named !== undefined) return { text: named, decodedBy: 'declared' }
  const rare = saysNothing(declared) ? undefined : decodeRare(bytes, declared)
  if (rare !== undefined && isReadable(rare, bytes)) return { text: rare, decodedBy: 'iconv' }
  return { text: decodeWestern(bytes), decodedBy: 'windows-1252' }
}

function declaredIn(text: string, charset: string, isHtml: boolean): string {
  const named = charsetName(charset)
  const isNamed = !saysNothing(named)
  return isNamed || !isHtml ? named : charsetName(META.exec(text.slice(0, META_WITHIN))?.[1] ?? named)
}

// UTF-16 and UTF-7 of western text pass for UTF-8. A converted text holds neither NUL nor its encoded words.
function decodeHidden(bytes: Uint8Array, text: string, declared: string, decodeRare: DecodeRare): Decoded | undefined {
  if (/^utf-?16/.test(declared) && text.includes('\0')) {
    const isBig = declared.endsWith('be') || (!declared.endsWith('le') && /^(?:\xfe\xff|\0)/.test(text))
    const decoded = decodeAs(bytes, isBig ? 'utf-16be' : 'utf-16le')
    return decoded === undefined ? undefined : { text: decoded, decodedBy: 'declared' }
  }
  if (!/^utf-?7$/.test(declared) || /[\x80-\xff]/.test(text) || !/\+[A-Za-z\d/]{3}/.test(text)) return undefined
  const decoded = decodeRare(bytes, 'utf-7')
  return decoded === undefined || /[\p{Cc}\p{Co}\p{Cn}\ufffd]/u.test(decoded.replace(/[\t\r\n]/g, ''))
    ? undefined
    : { text: decoded, decodedBy: 'iconv' }
}

// A text of which most is UTF-8 has bytes that were broken, or a footer in another charset.
function decodeMended(bytes: Uint8Array, declared: string): string | undefined {
  const { text, good, bad } = mendUtf8(bytes)
  const isUtf8 = /^utf-?8$/.test(declared) ? good >= bad : good >= TOLERATED * bad
  return isUtf8 ? text : undefined
}

// A few wrong bytes do not mean another charset.
function decodeDeclared(bytes: Uint8Array, declared: string): string | undefined {
  if (saysNothing(declared) || /^utf-?8$/.test(declared)) return undefined
  const whole = decodeAs(bytes, declared)
  if (whole !== undefined) return whole
  try {
    const lossy = new TextDecoder(declared).decode(bytes)
    return isReadable(lossy, bytes) ? lossy : undefined
  } catch {
    return undefined
  }
}

function isReadable(decoded: string, bytes: Uint8Array): boolean {
  const unread = decoded.split(UNREAD).length - 1
  return unread * TOLERATED <= countHigh(bytes)
}

function countHigh(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if (byte >= FIRST_HIGH) count += 1
  return count
}

function decodeAs(bytes: Uint8Array, charset: string): string | undefined {
  try {
    const decoder = new TextDecoder(charset, { fatal: true })
    return decoder.encoding === 'windows-1252' ? decodeWestern(bytes) : decoder.decode(bytes)
  } catch {
    return undefined
  }
}
