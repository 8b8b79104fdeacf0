import type { FileHandle } from 'node:fs/promises'
import { readHead } from './header.ts'
import type { Separator } from './mbox-scan.ts'

/**
 * The position of a mail in an mbox. `exact` means that its length was written, so that it includes no blank
 * line or quoting of the mbox.
 */
export interface MailSpan {
  contentAt: number
  endAt: number
  exact: boolean
}

/** A mail of an mbox, its separator, and its headers within the first mebibyte. */
export interface MboxMail extends MailSpan {
  envelope: string
  head: Buffer
}

const HEAD_BYTES = 1 << 14
const MAX_HEAD_BYTES = 1 << 20
const LF = 10
// A blank line may separate a mail's last byte from the next separator.
const LINE_END_BYTES = 2

/**
 * Yields the mails of an mbox in file order. If the first Content-Length ends at a separator or at the end of
 * the file, each such length counts (mboxcl, mboxcl2), and separators inside are text. A length that ends
 * elsewhere is the sender's and is ignored.
 */
export async function* mailsIn(file: FileHandle, separators: readonly Separator[]): AsyncGenerator<MboxMail> {
  const fileEnd = (await file.stat()).size
  let byLength: boolean | undefined
  let index = 0
  while (index < separators.length) {
    const startAt = separators[index]?.at ?? fileEnd
    const next = nextSure(separators, index + 1)
    const endAt = separators[next]?.at ?? fileEnd
    const bytes = await readHeadBytes(file, startAt, endAt)
    const lineFeed = bytes.indexOf(LF)
    const lineBytes = lineFeed < 0 ? bytes.length : lineFeed + 1
    const head = bytes.subarray(lineBytes)
    const contentAt = startAt + lineBytes
    const written = byLength === false ? undefined : writtenEnd(head, contentAt)
    const after = written === undefined ? undefined : separatorAt(separators, { from: index + 1, written, fileEnd })
    byLength ??= after !== undefined
    const exact = byLength && after !== undefined && written !== undefined
    yield { envelope: bytes.toString('latin1', 0, lineBytes), head, contentAt, endAt: exact ? written : endAt, exact }
    index = exact ? after : next
  }
}

function nextSure(separators: readonly Separator[], from: number): number {
  let index = from
  while (index < separators.length && !separators[index]?.sure) index += 1
  return index
}

function writtenEnd(head: Buffer, contentAt: number): number | undefined {
  if (!/content-length/i.test(head.toString('latin1', 0, HEAD_BYTES))) return undefined
  const { headers, bodyAt } = readHead(head.toString('latin1'))
  const length = headers.find(({ name }) => name.toLowerCase() === 'content-length')?.value ?? ''
  return /^\d{1,12}$/.test(length) ? contentAt + bodyAt + Number(length) : undefined
}

// The separator at the end of a written length, or the number of separators at the end of the file.
function separatorAt(
  separators: readonly Separator[],
  { from, written, fileEnd }: { from: number; written: number; fileEnd: number },
): number | undefined {
  if (written <= fileEnd && written >= fileEnd - LINE_END_BYTES) return separators.length
  let [low, high] = [from, separators.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((separators[middle]?.at ?? 0) < written) low = middle + 1
    else high = middle
  }
  const found = separators[low]?.at
  return found !== undefined && found - written <= LINE_END_BYTES ? low : undefined
}

async function readHeadBytes(file: FileHandle, startAt: number, endAt: number): Promise<Buffer> {
  const lengthBytes = endAt - startAt
  for (let wanted = HEAD_BYTES; ; wanted *= 8) {
    const head = await readSpan(file, startAt, Math.min(wanted, lengthBytes))
    const complete = head.length === lengthBytes || head.includes('\n\n') || head.includes('\n\r\n')
    if (complete || wanted >= MAX_HEAD_BYTES) return head
  }
}

/** Reads this many bytes; throws an Error if the file has become shorter. */
export async function readSpan(file: FileHandle, startAt: number, lengthBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(lengthBytes)
  let readBytes = 0
  while (readBytes < lengthBytes) {
    const { bytesRead } = await file.read(bytes, readBytes, lengthBytes - readBytes, startAt + readBytes)
    if (bytesRead === 0) throw new Error('the file became shorter while it was in use; load it again')
    readBytes += bytesRead
  }
  return bytes
}
