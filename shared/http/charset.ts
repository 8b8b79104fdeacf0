import { isUtf8 } from 'node:buffer'
import { decode as decodeBy, encodingExists } from 'iconv-lite'
import { hasShifts } from '../mail/words.ts'

// Charset names that occur in mail and that no decoder knows.
const ALIASES = new Map([
  ['unicode-1-1-utf-7', 'utf-7'],
  ['utf8mb4', 'utf-8'],
  ['cn-gb', 'gbk'],
  ['ms949', 'euc-kr'],
  ['chinesebig5', 'big5'],
  ['uhc', 'euc-kr'],
  ['iso-2022-jp-1', 'iso-2022-jp'],
  ['iso-2022-jp-2', 'iso-2022-jp'],
  ['iso-2022-jp-3', 'iso-2022-jp'],
  ['iso-2022-jp-ms', 'iso-2022-jp'],
])
// Senders write these where they do not know the charset. `iconv-lite` accepts byte encodings as charsets.
const SAYS_NOTHING = /^(?:|us-ascii|ascii|ansi_x3\.4-1968|default|unknown(?:-8bit)?|x-unknown|8bit|7bit|none)$/
const NO_CHARSET = /^(?:base64|hex|utf-?7-?imap|binary)$/
const NO_LETTERS_IN_1252 = /[\x81\x8d\x8f\x90\x9d]/

/**
 * Decodes bytes in the charset that a mail names. Falls back to UTF-8 where the bytes are valid UTF-8 and the name is unknown, meaningless
 * or wrong, else to windows-1252 where that gives words of western languages. Unreadable bytes become U+FFFD. Never throws.
 */
export function decodeBytes(bytes: Uint8Array, charset: string): string {
  const name = nameOf(charset)
  if (!SAYS_NOTHING.test(name)) {
    const text = decodeAs(bytes, name)
    if (text !== undefined) return text
  }
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes)
  const lossy = new TextDecoder().decode(bytes)
  // Some characters are valid UTF-8, so the others are broken and not in another charset.
  if (/[^\0-\x7f\ufffd]/.test(lossy)) return lossy
  return looksWestern(bytes) ? new TextDecoder('windows-1252').decode(bytes) : lossy
}

// RFC 2231 appends a language tag.
function nameOf(charset: string): string {
  const name = (charset.split('*', 1)[0] ?? '').replace(/["'\s]/g, '').toLowerCase()
  return ALIASES.get(name) ?? name
}

function decodeAs(bytes: Uint8Array, name: string): string | undefined {
  // The text says its byte order (RFC 2781); the Web's decoder takes it for little-endian.
  const decoder = name === 'utf-16' ? undefined : decoderOf(name)
  if (decoder) {
    try {
      return decoder.decode(bytes)
    } catch {
      // A few wrong bytes do not mean another charset, unless the text is UTF-8 under a wrong name.
      const isOther = decoder.encoding === 'utf-8' || (isUtf8(bytes) && !hasShifts(name))
      return isOther ? undefined : new TextDecoder(name).decode(bytes)
    }
  }
  if (NO_CHARSET.test(name) || !encodingExists(name)) return undefined
  return decodeBy(bytes, name)
}

function decoderOf(name: string) {
  try {
    return new TextDecoder(name, { fatal: true })
  } catch {
    return undefined
  }
}

// Accented letters stand alone or in pairs among plain ones; other scripts consist only of high bytes.
function looksWestern(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1')
  const high = text.match(/[\x80-\xff]/g)?.length ?? 0
  const letters = text.match(/[A-Za-z\x80-\xff]/g)?.length ?? 0
  return !NO_LETTERS_IN_1252.test(text) && !/[\x80-\xff]{3}/.test(text) && high * 2 <= letters
}
