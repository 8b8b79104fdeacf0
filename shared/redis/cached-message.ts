import { promisify } from 'node:util'
import { brotliCompress, brotliCompressSync, brotliDecompress, constants } from 'node:zlib'
import { type Message, parseMessage } from '../message.ts'
import { cutText } from '../text.ts'

const compress = promisify(brotliCompress)
const decompress = promisify(brotliDecompress)

// Short messages stay readable, and would gain little.
const WORTH_COMPRESSING = 1024
// The most that a message takes before it is compressed, in UTF-16 code units of JSON.
const MOST_CHARACTERS = 256 * 1024
const MOST_PEOPLE = 2000
const LONGEST_SUBJECT = 10_000
const MOST_LABELS = 1000
const COMPRESSED = 'br:'
// A level that takes a tenth of a millisecond for a usual mail; higher ones save few bytes.
const PARAMETERS = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT },
}
// Guards against a value that nobody here wrote.
const MOST_BYTES = 8 << 20

/** Packs a message for the cache: at most 256 Ki characters of JSON, compressed above a kibibyte. Compression runs in other threads. */
export async function packMessage(message: Message): Promise<string> {
  const json = fittedJson(message)
  if (json.length <= WORTH_COMPRESSING) return json
  return COMPRESSED + (await compress(json, PARAMETERS)).toString('base64')
}

/** Packs a message as `packMessage` does, at once. */
export function packMessageNow(message: Message): string {
  const json = fittedJson(message)
  if (json.length <= WORTH_COMPRESSING) return json
  return COMPRESSED + brotliCompressSync(json, PARAMETERS).toString('base64')
}

/** Reads a message from the cache; `undefined` for an older format or a foreign value, which counts as not cached. */
export async function unpackMessage(packed: string): Promise<Message | undefined> {
  if (!packed.startsWith(COMPRESSED)) return parseMessage(packed)
  try {
    const bytes = Buffer.from(packed.slice(COMPRESSED.length), 'base64')
    const json = await decompress(bytes, { maxOutputLength: MOST_BYTES })
    return parseMessage(json.toString())
  } catch {
    return undefined
  }
}

/**
 * Returns a cached message as the setting for texts wants it; `undefined` where it was cached without its text, which then counts as not
 * cached. Without texts, a text that was cached before is left out.
 */
export function asWanted(message: Message, texts: boolean): Message | undefined {
  if (texts) return message.body ? message : undefined
  const { body, ...others } = message
  return body ? others : message
}

function fittedJson(message: Message): string {
  const json = JSON.stringify(message)
  if (json.length <= MOST_CHARACTERS) return json
  const bounded = withoutExcess(message)
  const text = bounded.body?.text ?? ''
  const left = MOST_CHARACTERS - JSON.stringify({ ...bounded, body: undefined }).length
  // JSON may write one character as six.
  for (let most = Math.max(0, left); ; most = Math.floor(most / 2)) {
    const body = bounded.body && {
      ...bounded.body,
      text: cutText(text, most),
      ...cutMarks(bounded.body, text.length > most),
    }
    const cut = JSON.stringify({ ...bounded, ...(body ? { body } : {}) })
    if (cut.length <= MOST_CHARACTERS || most === 0) return cut
  }
}

function cutMarks({ note }: NonNullable<Message['body']>, isCut: boolean) {
  return isCut ? { isPart: true as const, note: note ?? 'too long' } : {}
}

// More people, labels and words than any task holds.
function withoutExcess(message: Message): Message {
  const { to, cc, from, labels, subject, more } = message
  const people = [from, to, cc].reduce((sum, { length }) => sum + Math.max(0, length - MOST_PEOPLE), 0)
  return {
    ...message,
    subject: cutText(subject, LONGEST_SUBJECT),
    from: from.slice(0, MOST_PEOPLE),
    to: to.slice(0, MOST_PEOPLE),
    cc: cc.slice(0, MOST_PEOPLE),
    labels: labels.slice(0, MOST_LABELS),
    ...(people > 0 ? { more: { ...more, people: (more?.people ?? 0) + people } } : {}),
    isPart: true,
  }
}
