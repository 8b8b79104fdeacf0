// A character set of ISO 2022: which decoder knows it, in its eight-bit form, how many bytes a character has, and what precedes each.
interface CodeSet {
  decoder: string
  width: number
  before?: number
}

const ASCII: CodeSet = { decoder: 'utf-8', width: 1 }
const KATAKANA: CodeSet = { decoder: 'euc-jp', width: 1, before: 0x8e }
const JIS: CodeSet = { decoder: 'euc-jp', width: 2 }
const JIS_SUPPLEMENT: CodeSet = { decoder: 'euc-jp', width: 2, before: 0x8f }
const CHINESE: CodeSet = { decoder: 'gb18030', width: 2 }
const KOREAN: CodeSet = { decoder: 'euc-kr', width: 2 }

// RFC 1468, 1554, 1557 and 1922: what follows an escape character.
const NAMED: ReadonlyMap<string, CodeSet> = new Map([
  ['(B', ASCII],
  ['(J', ASCII],
  ['(I', KATAKANA],
  ['$@', JIS],
  ['$B', JIS],
  ['$(D', JIS_SUPPLEMENT],
  ['$A', CHINESE],
  ['$(C', KOREAN],
])
// Shift out and in change between ASCII and these.
const SHIFTED: ReadonlyMap<string, CodeSet> = new Map([
  ['$)C', KOREAN],
  ['$)A', CHINESE],
])
const ESCAPE = '\x1b'
const SHIFT_OUT = '\x0e'
const SHIFT_IN = '\x0f'
// What only such a text has: other programs end colours with an escape and a bracket.
const TELLING = /^(?:\$(?:[@AB]|\([CD]|\)[AC])|\(I)/
const DESIGNATION = /^(?:\$[@AB]|\$\([CD]|\$\)[AC]|\([BIJ])/
const HZ_STEP = /~(?:\{([^\r\n]*?)(?:~\}|(?=[\r\n])|$)|~|\r?\n)|[^~]+|~/g
const HIGH = 0x80

/**
 * Decodes text whose charset shows in its own escapes: ISO 2022 in its Japanese, Korean and Chinese forms, and `hz` if that is declared. All
 * of it is seven-bit and would pass for ASCII. Returns `undefined` for any other text. Takes one character a byte (latin1).
 */
export function decodeEscapes(text: string, declared: string): string | undefined {
  if (/[\x80-\xff]/.test(text)) return undefined
  const runs = text.split(ESCAPE)
  if (runs.slice(1).some(run => TELLING.test(run))) return decodeIso2022(runs)
  return /^hz(?:-gb-?2312)?$/.test(declared) && text.includes('~{') ? decodeHz(text) : undefined
}

function decodeIso2022([first = '', ...runs]: readonly string[]): string {
  let out = first
  let current = ASCII
  let shifted = ASCII
  let isShifted = false
  for (const run of runs) {
    const [named = ''] = DESIGNATION.exec(run) ?? []
    const after = SHIFTED.get(named)
    if (after) shifted = after
    else current = NAMED.get(named) ?? current
    for (const step of run.slice(named.length).split(/(\p{Cc})/u)) {
      if (step === SHIFT_OUT || step === SHIFT_IN) isShifted = step === SHIFT_OUT
      // A line ends in ASCII; damaged ones do not say so.
      else if (step === '\n') [current, isShifted] = [ASCII, false]
      const isShift = step === SHIFT_OUT || step === SHIFT_IN
      if (!isShift) out += decodeIn(isShifted ? shifted : current, step)
    }
  }
  return out
}

function decodeHz(text: string): string {
  return text.replace(HZ_STEP, (step, chinese: string | undefined) => {
    if (chinese !== undefined) return decodeIn(CHINESE, chinese)
    if (step === '~~') return '~'
    return step.startsWith('~') && step.length > 1 ? '' : step
  })
}

function decodeIn({ decoder, width, before }: CodeSet, text: string): string {
  if (decoder === ASCII.decoder) return text
  const bytes: number[] = []
  for (let at = 0; at < text.length; at += width) {
    const some = text.slice(at, at + width)
    // Blanks are no part of a character.
    if (some.charCodeAt(0) <= 0x20) {
      bytes.push(some.charCodeAt(0))
      at += 1 - width
      continue
    }
    if (before !== undefined) bytes.push(before)
    for (const byte of Buffer.from(some, 'latin1')) bytes.push(byte | HIGH)
  }
  return new TextDecoder(decoder).decode(Uint8Array.from(bytes))
}
