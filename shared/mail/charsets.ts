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
// Senders write these where they do not know the charset.
const SAYS_NOTHING = /^(?:|us-ascii|ascii|ansi_x3\.4-1968|default|unknown(?:-8bit)?|x-unknown|8bit|7bit|none)$/

/** Returns the name that decoders know for a charset as mails write it; without quotes and a language tag (RFC 2231). */
export function charsetName(charset: string): string {
  const name = (charset.split('*', 1)[0] ?? '').replace(/["'\s]/g, '').toLowerCase()
  return ALIASES.get(name) ?? name
}

/** Returns whether a charset's name says nothing about the bytes. */
export function saysNothing(name: string): boolean {
  return SAYS_NOTHING.test(name)
}

// The characters of the bytes 80 to 9F (encoding.spec.whatwg.org/index-windows-1252.txt).
const WESTERN = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'
const WESTERN_FROM = 0x80

/**
 * Decodes bytes as windows-1252, which the Web also means by ISO-8859-1 and US-ASCII. Node.js 20 decodes it as ISO-8859-1, which makes
 * control characters of quotation marks and dashes.
 */
export function decodeWestern(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, byte => WESTERN.charAt(byte.charCodeAt(0) - WESTERN_FROM))
}
