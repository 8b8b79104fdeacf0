import { createReadStream } from 'node:fs'
import { type Candidate, FOLLOWING_BYTES, FROM, judgeBy, LINE_BYTES } from './separator.ts'

/**
 * A line that starts a mail: always if `sure`, else only where a Content-Length ends. Positions are in bytes
 * from the start of the file.
 */
export interface Separator {
  at: number
  sure: boolean
}

const CHUNK_BYTES = 1 << 20
const AHEAD_BYTES = LINE_BYTES + FOLLOWING_BYTES
// A two-character line ending before the one that ends the previous line.
const BEHIND_BYTES = 4
const LF = 10
const CR = 13
const BLANK = new Set([LF, CR, 32, 9, 0xef, 0xbb, 0xbf])
const NEEDLE = `\n${FROM}`

/**
 * Reads a file completely, a mebibyte at a time, and finds the starts of its mails. Returns `undefined` if it
 * is not an mbox, because its first non-blank line starts no mail.
 */
export async function scanMbox(path: string): Promise<readonly Separator[] | undefined> {
  const separators: Separator[] = []
  let judge: ReturnType<typeof judgeBy>
  let begun = false
  // The rest of earlier chunks. A line feed before the file makes its first line like any other.
  let pending = Buffer.from('\n\n')
  let keptAt = -pending.length
  let lookedTo = keptAt

  const look = (block: Buffer, blockAt: number, upTo: number): boolean => {
    if (!begun) {
      const first = block.findIndex(byte => !BLANK.has(byte))
      if (first < 0) return true
      begun = true
      if (block.toString('latin1', first, first + FROM.length) !== FROM) return false
      judge = judgeBy(candidateAt(block, first))
      if (!judge) return false
      separators.push({ at: blockAt + first, sure: true })
    }
    const firstAt = separators[0]?.at ?? 0
    for (let at = block.indexOf(NEEDLE, lookedTo - blockAt); at >= 0 && at < upTo; at = block.indexOf(NEEDLE, at + 1)) {
      const startAt = blockAt + at + 1
      if (startAt <= firstAt || !judge) continue
      const verdict = judge(candidateAt(block, at + 1))
      if (verdict !== 'text') separators.push({ at: startAt, sure: verdict === 'mail' })
    }
    lookedTo = blockAt + upTo
    return true
  }

  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const block = Buffer.concat([pending, chunk])
    // The last lines are examined after the following bytes arrive.
    const upTo = block.length - AHEAD_BYTES
    if (upTo <= BEHIND_BYTES) {
      pending = block
      continue
    }
    if (!look(block, keptAt, upTo)) return undefined
    pending = block.subarray(upTo - BEHIND_BYTES)
    keptAt += upTo - BEHIND_BYTES
  }
  return look(pending, keptAt, pending.length) && begun ? separators : undefined
}

function candidateAt(block: Buffer, at: number): Candidate {
  const lineFeed = block.subarray(at, at + LINE_BYTES).indexOf(LF)
  const lineEnd = lineFeed < 0 ? Math.min(at + LINE_BYTES, block.length) : at + lineFeed
  return {
    line: textAt(block, at, lineEnd),
    block: () => linesAt(block, lineEnd + 1),
    afterBlank: block[at - 2] === LF || (block[at - 2] === CR && block[at - 3] === LF),
  }
}

// Stops at the blank line, so that each byte of a file is read once.
function linesAt(block: Buffer, from: number): string[] {
  const lines: string[] = []
  const end = Math.min(from + FOLLOWING_BYTES, block.length)
  for (let at = from; at < end; ) {
    const lineFeed = block.subarray(at, end).indexOf(LF)
    if (lineFeed < 0 && end < block.length) break
    const lineEnd = lineFeed < 0 ? end : at + lineFeed
    const line = textAt(block, at, lineEnd)
    if (line === '' || line.startsWith(FROM)) break
    lines.push(line)
    at = lineEnd + 1
  }
  return lines
}

function textAt(block: Buffer, from: number, to: number): string {
  return block.toString('latin1', from, to).replace(/\r$/, '')
}
