/** The subfields of a field; empty where there are none to choose from. */
interface Fields {
  [name: string]: Fields
}

const PART = partFields()

// A part holds parts.
function partFields(): Fields {
  const part: Fields = {
    partId: {},
    mimeType: {},
    filename: {},
    headers: { name: {}, value: {} },
    body: { attachmentId: {}, size: {}, data: {} },
  }
  part.parts = part
  return part
}

// developers.google.com/gmail/api/reference/rest/v1/users.messages#Message
const MESSAGE: Fields = {
  id: {},
  threadId: {},
  labelIds: {},
  snippet: {},
  historyId: {},
  internalDate: {},
  payload: PART,
  sizeEstimate: {},
  raw: {},
  classificationLabelValues: { labelId: {}, fields: { fieldId: {}, selection: {} } },
}

// `id` and `threadId` are always requested.
const NEEDED = ['labelIds', 'snippet', 'payload/headers/name', 'payload/headers/value', 'internalDate']
// Parts of a mail hold parts.
const NEEDED_FOR_TEXT = ['mimeType', 'filename', 'body/attachmentId', 'body/size', 'body/data', 'parts']
const DEEPEST = 20
const DEFAULTS = {
  snippet: 'id,threadId,labelIds,snippet,payload/headers,internalDate',
  text: 'id,threadId,labelIds,snippet,payload(mimeType,filename,headers,body,parts),internalDate',
}

/** Returns the fields of a Gmail message that are asked for by default, for previews or for whole texts. */
export function defaultFields(body: 'snippet' | 'text'): string {
  return DEFAULTS[body]
}

/** Returns what a choice of fields lacks for reading whole texts, and how to mend it; `undefined` where it lacks nothing. */
export function faultOfBodyFields(text: string): string | undefined {
  const chosen = pathsIn(text) ?? []
  const missing = NEEDED_FOR_TEXT.map(name => `payload/${name}`).filter(path => !isCovered(path, chosen))
  if (missing.length === 0) return undefined
  return `payload instead of payload/headers, because MESSAGE_BODY=text reads ${missing.join(', ')}; or unset it, or set MESSAGE_BODY=snippet`
}

/**
 * Returns what is wrong with a choice of Gmail message fields (developers.google.com/gmail/api/guides/performance#partial): fields that no
 * message has, and missing ones that tasks need. Returns `undefined` where nothing is wrong.
 */
export function faultOfFields(text: string): string | undefined {
  const chosen = pathsIn(text)
  if (!chosen) return 'names separated by commas, such as id,payload/headers or id,payload(headers)'
  const unknown = chosen.filter(path => !isField(path.split('/')))
  const missing = NEEDED.filter(path => !isCovered(path, chosen))
  const headers = new Set(missing.map(path => path.replace(/^(payload\/headers)\/.*$/, '$1')))
  const faults = [
    ...(unknown.length > 0 ? [`no message has ${unknown.join(', ')}`] : []),
    ...(headers.size > 0 ? [`tasks need ${[...headers].join(', ')}`] : []),
  ]
  return faults.length > 0 ? `fields of a Gmail message: ${faults.join(', and ')}` : undefined
}

// Returns each chosen field as a path from the message; `undefined` where the text is not a valid choice.
function pathsIn(text: string): string[] | undefined {
  const tokens = text.match(/[\w*]+|[^\s\w*]/g) ?? []
  const paths: string[] = []
  let at = 0
  return isList('', 0) && at === tokens.length ? paths : undefined

  function isNext(token: string): boolean {
    if (tokens[at] !== token) return false
    at += 1
    return true
  }

  function isList(within: string, depth: number): boolean {
    if (depth > DEEPEST) return false
    do {
      if (!isPath(within, depth)) return false
    } while (isNext(','))
    return true
  }

  function isPath(within: string, depth: number): boolean {
    const names = within === '' ? [] : [within]
    do {
      const name = tokens[at] ?? ''
      if (!/^[\w*]+$/.test(name)) return false
      names.push(name)
      at += 1
    } while (isNext('/'))
    const path = names.join('/')
    if (isNext('(')) return isList(path, depth + 1) && isNext(')')
    return paths.push(path) > 0
  }
}

function isField([name, ...rest]: readonly string[], of: Fields = MESSAGE): boolean {
  if (name === undefined) return true
  if (name === '*') return rest.length === 0
  return Object.hasOwn(of, name) && isField(rest, of[name])
}

function isCovered(path: string, chosen: readonly string[]): boolean {
  return chosen.some(one => covers(one.split('/'), path.split('/')))
}

function covers([one, ...deeper]: readonly string[], [wanted, ...rest]: readonly string[]): boolean {
  if (one === undefined || one === '*') return true
  return one === wanted && covers(deeper, rest)
}
