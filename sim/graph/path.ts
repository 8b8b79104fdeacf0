import { badRequest } from './error.ts'

/** A path of Graph's, taken apart. */
export interface GraphPath {
  version: string
  /** Words and ids, decoded: `mailFolders('x')` is a word and an id. */
  words: readonly string[]
  query: URLSearchParams
}

/** Takes a URL apart, absolute or from the server's root on; throws a 400 where it cannot be read. */
export function readPath(url: string): GraphPath {
  if (!URL.canParse(url, 'http://localhost')) throw badRequest(`The URL cannot be read: ${url.slice(0, 100)}`)
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  const [version = '', ...rest] = pathname.split('/').filter(word => word !== '')
  return { version: version.toLowerCase(), words: rest.flatMap(wordsOf), query: searchParams }
}

// OData writes keys in brackets, too, and functions with brackets that may be left out.
function wordsOf(word: string): string[] {
  const decoded = decode(word)
  const [, name, key] = /^([\w.]+)\('([^']*)'\)$/.exec(decoded) ?? []
  if (name !== undefined && key !== undefined) return [name, key]
  const [, called] = /^(?:microsoft\.graph\.)?(delta)(?:\(\))?$/i.exec(decoded) ?? []
  return [called ?? decoded]
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word)
  } catch {
    throw badRequest(`The URL cannot be read: ${word.slice(0, 100)} is not encoded well.`)
  }
}
