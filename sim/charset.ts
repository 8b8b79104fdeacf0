import { isUtf8 } from 'node:buffer'
import { decode as decodeBy, encodingExists } from 'iconv-lite'

// Placeholders that senders write for an unknown charset. iconv-lite also accepts names of byte encodings.
const SAYS_NOTHING = new Set([
  '',
  'us-ascii',
  'ascii',
  'default',
  'unknown',
  'unknown-8bit',
  'x-unknown',
  '8bit',
  '7bit',
])
const NO_CHARSET = new Set(['base64', 'hex', 'utf-7-imap', 'utf7-imap', 'utf7imap', 'binary'])
const SAME = new Map([
  ['unicode-1-1-utf-7', 'utf-7'],
  ['ms949', 'euc-kr'],
  ['chinesebig5', 'big5'],
  ['cn-gb', 'gbk'],
])
const HIGH = /[\x80-\xff]/g
const THREE_HIGH = /[\x80-\xff]{3}/
const NOT_IN_1252 = /[\x81\x8d\x8f\x90\x9d]/

/**
 * Decodes bytes in the charset that a mail names. If it is unknown or wrong, decodes as UTF-8, or as
 * windows-1252 if that gives western words. Undecodable bytes become U+FFFD, as at the providers. Never
 * throws.
 */
export function textOf(bytes: Buffer, charset = ''): string {
  const written = (charset.split('*', 1)[0] ?? '').replace(/["'\s]/g, '').toLowerCase()
  const name = SAME.get(written) ?? written
  const named = SAYS_NOTHING.has(name) ? undefined : inCharset(bytes, name)
  if (named !== undefined) return named
  const text = bytes.toString('utf8')
  if (isUtf8(bytes) || /[^\0-\x7f\ufffd]/.test(text)) return text
  const latin = bytes.toString('latin1')
  const letters = latin.match(/[A-Za-z\x80-\xff]/g)?.length ?? 0
  const high = latin.match(HIGH)?.length ?? 0
  const isWestern = !NOT_IN_1252.test(latin) && !THREE_HIGH.test(latin) && high * 2 <= letters
  return isWestern ? decodeBy(bytes, 'windows-1252') : text
}

function inCharset(bytes: Buffer, name: string): string | undefined {
  try {
    return new TextDecoder(name, { fatal: true }).decode(bytes)
  } catch (error) {
    // The named decoder exists but found invalid bytes.
    const isKnown = error instanceof TypeError
    // A few invalid bytes do not change the charset, unless UTF-8 was named wrongly.
    if (isKnown && !/^utf-?8$/.test(name) && (name.startsWith('iso-2022') || !isUtf8(bytes)))
      return new TextDecoder(name).decode(bytes)
    return isKnown || NO_CHARSET.has(name) || !encodingExists(name) ? undefined : decodeBy(bytes, name)
  }
}
