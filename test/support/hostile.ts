/** Text from a stranger: it colours, retitles, clears and rings, in seven bits and in eight, and reverses a line. */
export const HOSTILE =
  'red\u001b[31m title\u001b]0;owned\u0007 clear\u001bc c1\u009b2J\u009d0;x\u009c del\u007f over\rwritten back\b back \u202egpj.exe \u2066iso\u2069 \u200fmark tag\u{e0041}'

const OBEYED: readonly (readonly [from: number, to: number])[] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x2064],
  [0x2066, 0x206f],
  [0xd800, 0xdfff],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe007f],
]

/** Returns the code points of a text that a terminal would obey or that reverse it; none are allowed. */
export function obeyedIn(text: string): string[] {
  const codes = new Set(Array.from(text, character => character.codePointAt(0) ?? 0))
  return [...codes]
    .filter(code => OBEYED.some(([from, to]) => code >= from && code <= to))
    .map(code => code.toString(16))
}
