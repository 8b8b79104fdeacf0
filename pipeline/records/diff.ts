import { isDeepStrictEqual } from 'node:util'
import { ownOf } from '../../shared/own.ts'
import { STREAMS } from '../../shared/streams.ts'
import type { Emission } from './lineage.ts'

/** One field that differs, by its path in the body; a side without the field is `undefined`. */
export interface Change {
  path: string
  was: unknown
  now: unknown
}

/** What became of one envelope when its step was done again. */
export interface Difference {
  kind: 'changed' | 'only now' | 'only then'
  stream: string
  id: string
  changes: readonly Change[]
}

/** How many envelopes came out the same, and which did not. */
export interface Comparison {
  same: number
  differences: readonly Difference[]
}

// What people write to each other is nobody's business at a glance.
const CONTENT = new Set(['subject', 'snippet', 'text', 'from', 'to', 'cc', 'participants', 'labels'])
const MOST_CHARACTERS = 60

/** Compares what came out then with what comes out now, envelope by envelope of the same stream and id; times do not count. */
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

/** Differences for people, a line each and one for each field, without anything that was written in a mail. */
export function differenceLines(differences: readonly Difference[]): string[] {
  const signs = { changed: '~', 'only now': '+', 'only then': '-' }
  return differences.flatMap(({ kind, stream, id, changes }) => [
    `${signs[kind]} ${stream}  ${id}  ${kind}`,
    ...changes.map(({ path, was, now }) => `    ${path}: ${shown(path, was)} → ${shown(path, now)}`),
  ])
}

/** A body without what was written in a mail, for a glance. */
export function withoutContent(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(withoutContent)
  if (!isObject(body)) return body
  const fields = Object.entries(body).filter(([field]) => !CONTENT.has(field))
  return Object.fromEntries(fields.map(([field, value]) => [field, withoutContent(value)]))
}

const LINKS_IN_A_ROW = /(?<![\w-])[\w-]{12,}(,[\w-]{12,})+/g
const LONG_WORD = /^[\w:=+/-]{48,}$/
const HEAD_AND_TAIL = 14

/** A body with its ids and cursors cut short, so that the rest of it can be seen at a glance. */
export function briefly(body: unknown): unknown {
  if (typeof body === 'string') {
    const text = body.replace(LINKS_IN_A_ROW, links => `${links.split(',').length} links`)
    return LONG_WORD.test(text) ? `${text.slice(0, HEAD_AND_TAIL)}…${text.slice(-HEAD_AND_TAIL)}` : text
  }
  if (Array.isArray(body)) return body.map(briefly)
  return isObject(body)
    ? Object.fromEntries(Object.entries(body).map(([field, value]) => [field, briefly(value)]))
    : body
}

function shown(path: string, value: unknown): string {
  if (value === undefined) return 'nothing'
  if (path.split('.').some(word => CONTENT.has(word))) return '(content)'
  const text = JSON.stringify(withoutContent(value))
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text
}

// Through the stream's schema and JSON, so that a default or an absent field is no difference.
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
