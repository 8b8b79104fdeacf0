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
