import { isDeepStrictEqual } from 'node:util'
import { ownOf } from '../../shared/own.ts'
import { STREAMS } from '../../shared/streams.ts'
import type { Emission } from './lineage.ts'

/** A field that differs, with its path in the body; a side without the field is `undefined`. */
export interface Change {
  path: string
  was: unknown
  now: unknown
}

/** The difference between the recorded and the replayed version of an envelope. */
export interface Difference {
  kind: 'changed' | 'only now' | 'only then'
  stream: string
  id: string
  changes: readonly Change[]
}

/** The number of equal envelopes, and the differences. */
export interface Comparison {
  same: number
  differences: readonly Difference[]
}

// Private mail content must not appear in a diff.
const CONTENT = new Set(['subject', 'snippet', 'text', 'from', 'to', 'cc', 'participants', 'labels', 'output'])
const MAX_CHARACTERS = 60

/** Compares recorded with replayed envelopes by stream and id; ignores times. */
export function compare(then: readonly Emission[], now: readonly Emission[]): Comparison {
  const before = byName(then)
  const after = byName(now)
  const differences: Difference[] = []
  let same = 0
  for (const [name, { stream, id, body, lane }] of after) {
    const old = before.get(name)
    const changes = old ? changesIn(plain(old), plain({ stream, id, body, lane })) : []
    if (!old) differences.push({ kind: 'only now', stream, id, changes })
    else if (changes.length > 0) differences.push({ kind: 'changed', stream, id, changes })
    else same += 1
  }
  for (const [name, { stream, id }] of before) {
    if (!after.has(name)) differences.push({ kind: 'only then', stream, id, changes: [] })
  }
  return { same, differences }
}

function changesIn(was: unknown, now: unknown, path = ''): Change[] {
  if (isDeepStrictEqual(was, now)) return []
  if (!isObject(was) || !isObject(now) || Array.isArray(was) !== Array.isArray(now)) return [{ path, was, now }]
  const fields = [...new Set([...Object.keys(was), ...Object.keys(now)])]
  return fields.flatMap(field =>
    changesIn(ownOf(was, field), ownOf(now, field), path === '' ? field : `${path}.${field}`),
  )
}

/** Formats differences for people: a line each and a line a field, without mail content. */
export function differenceLines(differences: readonly Difference[]): string[] {
  const signs = { changed: '~', 'only now': '+', 'only then': '-' }
  return differences.flatMap(({ kind, stream, id, changes }) => [
    `${signs[kind]} ${stream}  ${id}  ${kind}`,
    ...changes.map(({ path, was, now }) => `    ${path}: ${shown(path, was)} → ${shown(path, now)}`),
  ])
}

/** Returns a body without mail content. */
export function withoutContent(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(withoutContent)
  if (!isObject(body)) return body
  const fields = Object.entries(body).filter(([field]) => !CONTENT.has(field))
  return Object.fromEntries(fields.map(([field, value]) => [field, withoutContent(value)]))
}

const LINKS_IN_A_ROW = /(?<![\w-])[\w-]{12,}(,[\w-]{12,})+/g
const LONG_WORD = /^[\w:=+/-]{48,}$/
const HEAD_AND_TAIL = 14

/** Returns a body with its long ids and cursors shortened for display. */
export function shortenIds(body: unknown): unknown {
  if (typeof body === 'string') {
    const text = body.replace(LINKS_IN_A_ROW, links => `${links.split(',').length} links`)
    return LONG_WORD.test(text) ? `${text.slice(0, HEAD_AND_TAIL)}…${text.slice(-HEAD_AND_TAIL)}` : text
  }
  if (Array.isArray(body)) return body.map(shortenIds)
  return isObject(body)
    ? Object.fromEntries(Object.entries(body).map(([field, value]) => [field, shortenIds(value)]))
    : body
}

function shown(path: string, value: unknown): string {
  if (value === undefined) return 'nothing'
  if (path.split('.').some(word => CONTENT.has(word))) return '(content)'
  const text = JSON.stringify(withoutContent(value))
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text
}

// The schema and JSON normalise defaults and absent fields, which are no difference.
function plain({ stream, body, lane }: Emission): unknown {
  const read = STREAMS.find(one => one.name === stream)?.body.safeParse(body)
  return JSON.parse(JSON.stringify({ lane, body: read?.success ? read.data : body }))
}

function byName(emissions: readonly Emission[]): Map<string, Emission> {
  return new Map(emissions.map(emission => [`${emission.stream} ${emission.id}`, emission]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
