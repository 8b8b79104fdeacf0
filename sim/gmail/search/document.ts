import type { Part } from '../../mime.ts'
import { leavesOf, plainText } from '../../snippet.ts'
import type { Account } from '../account.ts'
import type { Entry } from '../entry.ts'
import { wordsOf } from './words.ts'

/**
 * The searchable words of a mail by place. Headers and parts are separated, so that no phrase spans two of
 * them.
 */
export interface Document {
  /** Returns the words of these headers' values, by name in lower case. */
  header(...names: string[]): readonly string[]
  /**
   * Returns the words that a search without an operator covers: subject, people, text and names of
   * attachments.
   */
  text(): readonly string[]
  filenames: readonly string[]
  messageId: string
  sizeBytes: number
  /** Whether its text links to one of these places. */
  links(places: readonly string[]): boolean
}

const GAP = ''
const READ_CHARACTERS = 200_000
const SHOWN = ['subject', 'from', 'to', 'cc', 'bcc']

/** Reads the searchable words of a message, once for consecutive searches. */
export function documentOf(account: Account, entry: Entry): Promise<Document> {
  const load = async (): Promise<Document> => {
    const { root, raw } = await account.content(entry)
    return read(root, raw.length)
  }
  // Only this function fills the cache.
  return account.searched.get(entry.id, load) as Promise<Document>
}

function read(root: Part, sizeBytes: number): Document {
  const leaves = leavesOf(root)
  const filenames = leaves.map(({ filename }) => filename).filter(name => name !== '')
  const texts = leaves.filter(({ filename, mimeType }) => filename === '' && mimeType.startsWith('text/'))
  const valuesOf = (names: readonly string[]) =>
    root.headers.filter(({ name }) => names.includes(name.toLowerCase())).map(({ value }) => value)
  const contents = once(() => texts.map(part => part.content().toString('utf8').slice(0, READ_CHARACTERS)))
  const text = once(() => {
    const shown = contents().map((content, index) =>
      texts[index]?.mimeType === 'text/html' ? plainText(content) : content,
    )
    return apart([...valuesOf(SHOWN), ...shown, ...filenames])
  })
  return {
    header: (...names) => apart(valuesOf(names)),
    text,
    filenames: apart(filenames),
    messageId: bare(valuesOf(['message-id'])[0] ?? ''),
    sizeBytes,
    links: places => contents().some(content => places.some(place => content.toLowerCase().includes(place))),
  }
}

/** Returns a Message-ID without its brackets. */
export function bare(messageId: string): string {
  return messageId.trim().replace(/^</, '').replace(/>$/, '')
}

function apart(texts: readonly string[]): string[] {
  return texts.flatMap(text => [...wordsOf(text), GAP])
}

function once<T>(work: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: work() }
    return made.value
  }
}
