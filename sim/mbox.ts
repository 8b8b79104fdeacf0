import { open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { envelopeDateMs } from './date.ts'
import { factsReader, type MailFacts } from './facts.ts'
import { type GivenLabels, openExportLabels } from './label-languages.ts'
import { mailAt, type SimMail, type SimMailbox } from './mailbox.ts'
import { type MailSpan, mailsIn, readSpan } from './mbox-mails.ts'
import { scanMbox } from './mbox-scan.ts'

/** The owner's names of system labels, for an export that does not reveal them. */
export interface LoadOptions {
  labels?: GivenLabels
}

/** A mail in a file, before the labels of all mails are translated. */
interface FoundMail extends MailFacts {
  read(): Promise<Buffer>
}

/**
 * Loads an mbox file (mboxrd, mboxo, mboxcl or mboxcl2, such as a Google Takeout export), one .eml file or a
 * folder of .eml files (by name), in file order. Memory holds only a few facts of each mail; bytes are read
 * on demand. Throws a one-line Error with a remedy, also for labels in an unknown language.
 */
export async function loadMail(path: string, { labels: given = {} }: LoadOptions = {}): Promise<SimMailbox> {
  try {
    const labels = openExportLabels()
    const factsOf = factsReader(labels.read)
    const found = (await stat(path)).isDirectory() ? await loadFolder(path, factsOf) : await loadFile(path, factsOf)
    const translate = labels.translator(path, given)
    const mails: SimMail[] = found.map(mail => ({ ...mail, labels: translate(mail.labels) }))
    return { address: addressFor(path), size: mails.length, message: index => mailAt(mails, index) }
  } catch (error) {
    throw explained(error, path)
  }
}

type FactsReader = ReturnType<typeof factsReader>

async function loadFile(path: string, factsOf: FactsReader): Promise<FoundMail[]> {
  return extname(path).toLowerCase() === '.eml' ? loadEmls([path], factsOf) : loadMbox(path, factsOf)
}

async function loadFolder(path: string, factsOf: FactsReader): Promise<FoundMail[]> {
  const names = (await readdir(path)).filter(name => extname(name).toLowerCase() === '.eml').sort()
  if (names.length === 0) {
    throw new Error(
      `"${path}" holds no .eml files. Name a folder that does, or an mbox file such as one from Google Takeout.`,
    )
  }
  return loadEmls(
    names.map(name => join(path, name)),
    factsOf,
  )
}

async function loadEmls(paths: readonly string[], factsOf: FactsReader): Promise<FoundMail[]> {
  const mails: FoundMail[] = []
  for (const path of paths) mails.push({ ...factsOf(await readFile(path)), read: () => readFile(path) })
  return mails
}

async function loadMbox(path: string, factsOf: FactsReader): Promise<FoundMail[]> {
  const separators = await scanMbox(path)
  if (!separators) {
    throw new Error(
      `"${path}" is not an mbox: its first line does not begin with "From ". Export one with Google Takeout, or name a folder of .eml files.`,
    )
  }
  const file = await open(path)
  try {
    const mails: FoundMail[] = []
    for await (const { head, envelope, contentAt, endAt, exact } of mailsIn(file, separators)) {
      const span = { contentAt, endAt, exact }
      mails.push({ ...factsOf(head, envelopeDateMs(envelope)), read: () => readMail(path, span) })
    }
    return mails
  } finally {
    await file.close()
  }
}

async function readMail(path: string, { contentAt, endAt, exact }: MailSpan): Promise<Buffer> {
  const file = await open(path)
  try {
    const bytes = await readSpan(file, contentAt, endAt - contentAt)
    if (!exact) return unquote(withoutBlankLine(bytes))
    // Only mboxcl2 leaves such lines unquoted, and it quotes none.
    return bytes.includes('\nFrom ') ? bytes : unquote(bytes)
  } finally {
    await file.close()
  }
}

// The blank line after each mail in an mbox does not belong to the mail.
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
