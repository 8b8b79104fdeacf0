import { invalid } from './error.ts'

const PRESET_RESULTS = 100
const MAX_RESULTS = 500

/** How many results a page may hold: `maxResults`, 100 where it is absent and 500 at most; throws a 400 where it is no number. */
export function pageSize(query: URLSearchParams): number {
  const text = query.get('maxResults')
  if (text === null) return PRESET_RESULTS
  if (!/^\d{1,10}$/.test(text)) throw invalid(`Invalid value at 'max_results' (TYPE_UINT32), "${text}"`, 'maxResults')
  return Math.min(Number(text) || PRESET_RESULTS, MAX_RESULTS)
}

/** One of the allowed values, the first where the parameter is absent; throws a 400 for any other. */
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

/** Whether a boolean parameter is set; throws a 400 for what is neither true nor false. */
export function flag(query: URLSearchParams, name: string, preset = false): boolean {
  return oneOf(query, name, preset ? ['true', 'false'] : ['false', 'true']) === 'true'
}

/** A page token that continues after a number (a position, a history id). */
export function pageToken(after: number): string {
  return Buffer.from(`after ${after}`).toString('base64url')
}

/** The number a page token continues after, `undefined` on the first page; throws a 400 for a token that was never given out. */
export function tokenPosition(query: URLSearchParams): number | undefined {
  const token = query.get('pageToken')
  if (token === null || token === '') return undefined
  const match = /^after (\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString())
  if (!match) throw invalid('Invalid pageToken', 'pageToken')
  return Number(match[1])
}
