import { isUtf8 } from 'node:buffer'
import { decode as decodeBy, encodingExists } from 'iconv-lite'
import { charsetName, decodeWestern, saysNothing } from '../mail/charsets.ts'
import { hasShifts } from '../mail/words.ts'

// `iconv-lite` accepts byte encodings as charsets.
const NO_CHARSET = /^(?:base64|hex|utf-?7-?imap|binary)$/
const NO_LETTERS_IN_1252 = /[\x81\x8d\x8f\x90\x9d]/

/**
 * Decodes bytes in the charset that a mail names. Falls back to UTF-8 where the bytes are valid UTF-8 and the name is unknown, meaningless
 * or wrong, else to windows-1252 where that gives words of western languages. Unreadable bytes become U+FFFD. Never throws.
 */
export function decodeBytes(bytes: Uint8Array, charset: string): string {
  const name = charsetName(charset)
  if (!saysNothing(name)) {
    const text = decodeAs(bytes, name)
    if (text !== undefined) return text
  }
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes)
  const lossy = new TextDecoder().decode(bytes)
  // Some characters are valid UTF-8, so the others are broken and not in another charset.
  if (/[^\0-\x7f\ufffd]/.test(lossy)) return lossy
  return looksWestern(bytes) ? decodeWestern(bytes) : lossy
}

/** Decodes bytes in a charset that Node.js does not know; `undefined` if nothing here knows it. */
export function decodeRare(bytes: Uint8Array, name: string): string | undefined {
  return NO_CHARSET.test(name) || !encodingExists(name) ? undefined : decodeBy(bytes, name)
}

function decodeAs(bytes: Uint8Array, name: string): string | undefined {
  // The text says its byte order (RFC 2781); the Web's decoder takes it for little-endian.
  const decoder = name === 'utf-16' ? undefined : decoderOf(name)
  if (decoder?.encoding === 'windows-1252') return decodeWestern(bytes)
  if (decoder) {
    try {
      return decoder.decode(bytes)
    } catch {
      // A few wrong bytes do not mean another charset, unless the text is UTF-8 under a wrong name.
      const isOther = decoder.encoding === 'utf-8' || (isUtf8(bytes) && !hasShifts(name))
      return isOther ? undefined : new TextDecoder(name).decode(bytes)
    }
  }
  return decodeRare(bytes, name)
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
