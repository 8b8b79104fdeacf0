import { ownOf } from '../own.ts'
import { invalid } from './error.ts'

const PRESET_RESULTS = 100
const MAX_RESULTS = 500
// The parameters that the discovery document lists for all methods.
const COMMON = [
  '$.xgafv',
  'access_token',
  'alt',
  'callback',
  'fields',
  'key',
  'oauth_token',
  'prettyPrint',
  'quotaUser',
  'uploadType',
  'upload_protocol',
  // Part of resumable upload addresses.
  'upload_id',
]

/**
 * Returns the page size: `maxResults`, 100 by default and 500 at most; throws a 400 if it is not a number.
 */
export function pageSize(query: URLSearchParams): number {
  const text = query.get('maxResults')
  if (text === null) return PRESET_RESULTS
  if (!/^\d{1,10}$/.test(text)) throw invalid(`Invalid value at 'max_results' (TYPE_UINT32), "${text}"`, 'maxResults')
  return Math.min(Number(text) || PRESET_RESULTS, MAX_RESULTS)
}

/** Returns one of the allowed values, the first by default; throws a 400 for any other. */
export function oneOf<const Value extends string>(
  query: URLSearchParams,
  name: string,
  values: readonly [Value, ...Value[]],
): Value {
  const text = query.get(name)
  if (text === null) return values[0]
  const value = values.find(candidate => candidate === text.toLowerCase())
  if (value === undefined) throw invalid(`Invalid value at '${name}', "${text}"`, name)
  return value
}

/** Whether a boolean parameter is set; throws a 400 if it is neither true nor false. */
export function flag(query: URLSearchParams, name: string, preset = false): boolean {
  return oneOf(query, name, preset ? ['true', 'false'] : ['false', 'true']) === 'true'
}

/**
 * The position where a listing continues: after a number (a position, a history id), with an empty page
 * before it if `empty`.
 */
export interface PageStart {
  after: number
  empty: boolean
}

/** Encodes a position in a listing as a page token. */
export function pageToken({ after, empty }: PageStart): string {
  return Buffer.from(`${empty ? 'empty' : 'after'} ${after}`).toString('base64url')
}

/** Decodes a page token; `undefined` on the first page. Throws a 400 for an invalid token. */
export function pageStart(query: URLSearchParams): PageStart | undefined {
  const token = query.get('pageToken')
  if (token === null || token === '') return undefined
  const match = /^(after|empty) (\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString())
  if (!match) throw invalid('Invalid pageToken', 'pageToken')
  return { after: Number(match[2]), empty: match[1] === 'empty' }
}

/** Refuses parameters that neither the method nor all methods know with a 400, as Google does. */
export function knownOnly(query: URLSearchParams, names: readonly string[]): void {
  for (const name of query.keys()) {
    if (COMMON.includes(name) || names.includes(name)) continue
    throw unknownField(
      `Unknown name "${name}": Cannot bind query parameter. Field '${name}' could not be found in request message.`,
    )
  }
}

/** Parses a body as JSON; `undefined` if it is empty. Throws a 400 if it is invalid. */
export function readJson(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('Invalid JSON payload received. Expected an object key or }.')
  }
}

/** Returns the JSON object of a request's body; throws a 400 if it is not one, or has unknown fields. */
export function bodyFields(body: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (body === undefined || body === null) return {}
  if (typeof body !== 'object' || Array.isArray(body) || Buffer.isBuffer(body))
    throw unknownField('Root element must be a message.')
  for (const name of Object.keys(body))
    if (!names.includes(name)) throw unknownField(`Unknown name "${name}": Cannot find field.`)
  return { ...body }
}

/** Returns a list of strings in a body, empty by default; throws a 400 for anything else. */
export function stringsIn(fields: Readonly<Record<string, unknown>>, name: string): readonly string[] {
  const value = ownOf(fields, name) ?? []
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
  throw invalid(`Invalid value at '${snakeCase(name)}' (TYPE_STRING), ${JSON.stringify(value)}`, name)
}

/** Returns a string in a body; throws a 400 for anything else. */
export function stringIn(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = ownOf(fields, name)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw invalid(`Invalid value at '${snakeCase(name)}' (TYPE_STRING), ${JSON.stringify(value)}`, name)
}

function unknownField(problem: string): Error {
  return invalid(`Invalid JSON payload received. ${problem}`)
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
