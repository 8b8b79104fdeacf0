import { badRequest } from './error.ts'

/** A parsed path of Graph. */
export interface GraphPath {
  version: string
  /** Words and ids, decoded: `mailFolders('x')` is a word and an id. */
  words: readonly string[]
  query: URLSearchParams
}

/** Parses a URL, absolute or from the server's root; throws a 400 if it is invalid. */
export function readPath(url: string): GraphPath {
  if (!URL.canParse(url, 'http://localhost')) throw badRequest(`The URL cannot be read: ${url.slice(0, 100)}`)
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  const [version = '', ...rest] = pathname.split('/').filter(word => word !== '')
  return { version: version.toLowerCase(), words: rest.flatMap(wordsOf), query: searchParams }
}

// OData also allows keys in brackets, and functions with optional brackets.
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
