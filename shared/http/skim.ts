/** The limits of an answer that is read without its long strings. */
export interface SkimLimits {
  /** About how many bytes of a string are kept. */
  longestString: number
  /** The most bytes that are kept of the whole answer; more throws as too large (`isTooLarge`). */
  mostBytes: number
}

// Exchange takes mail of 150 MB at most.
const MOST_READ = 512 << 20
// What ends a cut string, as JSON writes it.
const MARK = Buffer.from('\\u0000')
const QUOTE = 0x22
const BACKSLASH = 0x5c
const HEX = 0x75
const HEX_DIGITS = 4

/** What a cut string ends with. */
export const CUT = '\0'

/**
 * Reads JSON from a stream and cuts its long strings, so that an answer takes little memory whatever its strings hold. A cut string ends
 * with `CUT`. What is left is JSON if it was. Takes linear time.
 */
export async function skimJson(stream: AsyncIterable<Uint8Array>, limits: SkimLimits): Promise<string> {
  const cut = stringCutter(limits.longestString)
  const chunks: Uint8Array[] = []
  let read = 0
  let kept = 0
  for await (const chunk of stream) {
    const left = cut(chunk)
    read += chunk.length
    kept += left.length
    if (kept > limits.mostBytes || read > MOST_READ)
      throw Object.assign(new Error('the answer is too large, even without its long strings'), { type: 'max-size' })
    chunks.push(left)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function stringCutter(longest: number): (chunk: Uint8Array) => Uint8Array {
  let isString = false
  let length = 0
  let isAfterBackslash = false
  let hexLeft = 0
  let isKept = true
  return chunk => {
    const kept = new Uint8Array(chunk.length + MARK.length * (Math.ceil(chunk.length / longest) + 1))
    const nextEnd = endFinder(chunk)
    let end = 0
    for (let at = 0; at < chunk.length; at++) {
      const isEscaped = isAfterBackslash || hexLeft > 0
      if (!isKept && !isEscaped) at = nextEnd(at)
      const byte = chunk[at]
      if (byte === undefined) break
      if (!isString) {
        isString = byte === QUOTE
        length = -1
        isKept = true
      } else if (isAfterBackslash) {
        isAfterBackslash = false
        hexLeft = byte === HEX ? HEX_DIGITS : 0
      } else if (hexLeft > 0) hexLeft -= 1
      else if (byte === BACKSLASH) isAfterBackslash = true
      else if (byte === QUOTE) {
        if (!isKept) {
          kept.set(MARK, end)
          end += MARK.length
        }
        isString = false
        isKept = true
      }
      // An escape is kept as a whole, or not at all.
      if (isString && length >= longest && !isEscaped && byte !== QUOTE) isKept = false
      if (isKept) kept[end++] = byte
      length += 1
    }
    return kept.subarray(0, end)
  }
}

// Returns the place from where on a string ends, or an escape begins. Each is searched once.
function endFinder(chunk: Uint8Array): (from: number) => number {
  const places = [QUOTE, BACKSLASH].map(byte => ({ byte, at: -1 }))
  return from => {
    for (const place of places) {
      if (place.at >= from) continue
      const found = chunk.indexOf(place.byte, from)
      place.at = found < 0 ? chunk.length : found
    }
    return Math.min(...places.map(({ at }) => at))
  }
}
