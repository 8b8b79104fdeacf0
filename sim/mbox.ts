import { createReadStream } from 'node:fs'
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { envelopeDateMs } from './date.ts'
import { factsReader } from './facts.ts'
import { mailAt, type SimMail, type SimMailbox } from './mailbox.ts'

const CHUNK_BYTES = 1 << 20
const HEAD_BYTES = 1 << 14
const MAX_HEAD_BYTES = 1 << 20
const LF = 10
const CR = 13
const SEPARATOR = '\nFrom '

/**
 * Loads an mbox file (mboxrd; a Google Takeout export, say), one .eml file or a folder of .eml files (by name), in file order. Only a
 * few facts of each mail stay in memory; bytes are read when asked for. Throws an Error of one line that says how to mend it.
 */
export async function loadMail(path: string): Promise<SimMailbox> {
  try {
    const mails = (await stat(path)).isDirectory() ? await loadFolder(path) : await loadFile(path)
    return { address: addressFor(path), size: mails.length, message: index => mailAt(mails, index) }
  } catch (error) {
    throw explained(error, path)
  }
}

async function loadFile(path: string): Promise<SimMail[]> {
  return extname(path).toLowerCase() === '.eml' ? loadEmls([path]) : loadMbox(path)
}

async function loadFolder(path: string): Promise<SimMail[]> {
  const names = (await readdir(path)).filter(name => extname(name).toLowerCase() === '.eml').sort()
  if (names.length === 0) {
    throw new Error(
      `"${path}" holds no .eml files. Name a folder that does, or an mbox file such as one from Google Takeout.`,
    )
  }
  return loadEmls(names.map(name => join(path, name)))
}

async function loadEmls(paths: readonly string[]): Promise<SimMail[]> {
  const factsOf = factsReader()
  const mails: SimMail[] = []
  for (const path of paths) mails.push({ ...factsOf(await readFile(path)), read: () => readFile(path) })
  return mails
}

async function loadMbox(path: string): Promise<SimMail[]> {
  const starts = await separatorsOf(path)
  if (starts[0] !== 0) {
    throw new Error(
      `"${path}" is not an mbox: its first line does not begin with "From ". Export one with Google Takeout, or name a folder of .eml files.`,
    )
  }
  const file = await open(path)
  try {
    const endAt = (await file.stat()).size
    const factsOf = factsReader()
    const mails: SimMail[] = []
    for (const [index, startAt] of starts.entries()) {
      const span = { startAt, endAt: starts[index + 1] ?? endAt }
      const head = await readHeadBytes(file, span)
      const lineEnd = head.indexOf(LF)
      const contentAt = lineEnd < 0 ? head.length : lineEnd + 1
      const facts = factsOf(head.subarray(contentAt), envelopeDateMs(head.toString('latin1', 0, contentAt)))
      mails.push({ ...facts, read: () => readMail(path, startAt + contentAt, span.endAt) })
    }
    return mails
  } finally {
    await file.close()
  }
}

// Where each `From ` line begins that stands at the start of the file or after a blank line.
async function separatorsOf(path: string): Promise<number[]> {
  const found: number[] = []
  let kept = Buffer.from('\n\n')
  let keptAt = -kept.length
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const block = Buffer.concat([kept, chunk])
    for (let at = block.indexOf(SEPARATOR); at >= 0; at = block.indexOf(SEPARATOR, at + 1)) {
      const afterBlank = block[at - 1] === LF || (block[at - 1] === CR && block[at - 2] === LF)
      const position = keptAt + at + 1
      if (afterBlank && position > (found.at(-1) ?? -1)) found.push(position)
    }
    // Enough to recognise a separator that the next chunk completes, with the blank line before it.
    kept = block.subarray(-(SEPARATOR.length + 2))
    keptAt += block.length - kept.length
  }
  return found
}

async function readHeadBytes(file: FileHandle, span: { startAt: number; endAt: number }): Promise<Buffer> {
  const lengthBytes = span.endAt - span.startAt
  for (let wanted = HEAD_BYTES; ; wanted *= 8) {
    const head = await readSpan(file, span.startAt, Math.min(wanted, lengthBytes))
    const complete = head.length === lengthBytes || head.includes('\n\n') || head.includes('\n\r\n')
    if (complete || wanted >= MAX_HEAD_BYTES) return head
  }
}

async function readMail(path: string, startAt: number, endAt: number): Promise<Buffer> {
  const file = await open(path)
  try {
    const bytes = await readSpan(file, startAt, endAt - startAt)
    return unquote(withoutBlankLine(bytes))
  } finally {
    await file.close()
  }
}

async function readSpan(file: FileHandle, startAt: number, lengthBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(lengthBytes)
  let readBytes = 0
  while (readBytes < lengthBytes) {
    const { bytesRead } = await file.read(bytes, readBytes, lengthBytes - readBytes, startAt + readBytes)
    if (bytesRead === 0) throw new Error('the file became shorter while it was in use: load it again')
    readBytes += bytesRead
  }
  return bytes
}

// The blank line that ends each mail in an mbox is not the mail's own.
function withoutBlankLine(bytes: Buffer): Buffer {
  for (const blank of ['\r\n\r\n', '\n\n']) {
    if (bytes.subarray(-blank.length).equals(Buffer.from(blank))) return bytes.subarray(0, -blank.length / 2)
  }
  return bytes
}

function unquote(bytes: Buffer): Buffer {
  if (!bytes.includes('>From ')) return bytes
  return Buffer.from(bytes.toString('latin1').replace(/(?<=^|\n)>(?=>*From )/g, ''), 'latin1')
}

function addressFor(path: string): string {
  const slug = basename(path, extname(path))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  return `${slug || 'mail'}@mbox.example`
}

function explained(error: unknown, path: string): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') {
    return new Error(`"${path}" does not exist. Name an mbox file, an .eml file or a folder of .eml files.`, {
      cause: error,
    })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new Error(`"${path}" may not be read by this user. Allow it with: chmod u+r "${path}"`, { cause: error })
  }
  return error instanceof Error ? error : new Error(String(error))
}
