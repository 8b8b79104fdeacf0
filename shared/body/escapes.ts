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

// RFC 1468, 1554, 1557 and 1922: what follows an escape character. The first kind is in force at once, the second after a shift.
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
const SHIFTED: ReadonlyMap<string, CodeSet> = new Map([
  ['$)C', KOREAN],
  ['$)A', CHINESE],
])
const ESCAPE = '\x1b'
const ESCAPE_CODE = 0x1b
const SHIFT_OUT = 0x0e
const SHIFT_IN = 0x0f
const LINE_FEED = 0x0a
const SPACE = 0x20
const HIGH = 0x80

/**
 * Decodes text whose charset shows in its own escapes: ISO 2022 in its Japanese, Korean and Chinese forms, and `hz` if that is declared. All
 * of it is seven-bit and would pass for ASCII. Returns `undefined` for any other text. Takes one character a byte (latin1), and linear time.
 */
export function decodeEscapes(text: string, declared: string): string | undefined {
  if (/[\x80-\xff]/.test(text)) return undefined
  if (isEscaped(text)) return decodeIso2022(text)
  return /^hz(?:-gb-?2312)?$/.test(declared) && text.includes('~{') ? decodeHz(text) : undefined
}

// Other programs end colours with an escape and a bracket, and may name ASCII.
function isEscaped(text: string): boolean {
  for (let at = text.indexOf(ESCAPE); at >= 0; at = text.indexOf(ESCAPE, at + 1)) {
    const name = nameAt(text, at + 1)
    if (name !== undefined && NAMED.get(name) !== ASCII) return true
  }
  return false
}

function nameAt(text: string, at: number): string | undefined {
  const kind = text.charAt(at)
  if (kind !== '$' && kind !== '(') return undefined
  const [short, long] = [text.slice(at, at + 2), text.slice(at, at + 3)]
  if (NAMED.has(short)) return short
  return NAMED.has(long) || SHIFTED.has(long) ? long : undefined
}

function decodeIso2022(text: string): string {
  const decode = openDecoders()
  const out: string[] = []
  let current = ASCII
  let shifted = ASCII
  let isShifted = false
  let run: number[] = []
  let runSet = ASCII
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const name = code === ESCAPE_CODE ? nameAt(text, at + 1) : undefined
    if (name !== undefined) {
      current = NAMED.get(name) ?? current
      shifted = SHIFTED.get(name) ?? shifted
      at += name.length
    } else if (code === SHIFT_OUT || code === SHIFT_IN) isShifted = code === SHIFT_OUT
    else {
      // A line ends in ASCII; damaged ones do not say so.
      if (code === LINE_FEED) [current, isShifted] = [ASCII, false]
      const set = isShifted ? shifted : current
      if (set !== runSet) {
        out.push(decode(runSet, run))
        run = []
        runSet = set
      }
      run.push(code)
    }
  }
  return [...out, decode(runSet, run)].join('')
}

function decodeHz(text: string): string {
  const decode = openDecoders()
  const lines = text.replace(/~\r?\n/g, '').split('\n')
  return lines
    .map(line => {
      const [first = '', ...rest] = line.split('~{')
      const decoded = rest.map(part => {
        const end = part.indexOf('~}')
        const chinese = end < 0 ? part : part.slice(0, end)
        const after = end < 0 ? '' : part.slice(end + 2)
        return decode(CHINESE, Buffer.from(chinese, 'latin1')) + plain(after)
      })
      return plain(first) + decoded.join('')
    })
    .join('\n')
}

function plain(text: string): string {
  return text.replaceAll('~~', '~')
}

// Decoders take long to create, compared with a few characters.
function openDecoders() {
  const decoders = new Map<string, InstanceType<typeof TextDecoder>>()
  return (set: CodeSet, codes: ArrayLike<number>): string => {
    if (codes.length === 0) return ''
    const decoder = decoders.get(set.decoder) ?? new TextDecoder(set.decoder)
    decoders.set(set.decoder, decoder)
    return decoder.decode(inEightBits(set, codes))
  }
}

function inEightBits(set: CodeSet, codes: ArrayLike<number>): Uint8Array {
  if (set === ASCII) return Uint8Array.from(codes)
  const bytes: number[] = []
  let left = 0
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0
    // Blanks are no part of a character.
    const isBlank = left === 0 && code <= SPACE
    if (left === 0 && !isBlank) {
      left = set.width
      if (set.before !== undefined) bytes.push(set.before)
    }
    bytes.push(isBlank ? code : code | HIGH)
    if (!isBlank) left -= 1
  }
  return Uint8Array.from(bytes)
}
